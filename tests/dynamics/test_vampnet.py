import numpy as np
import pytest
import torch

from lib.dynamics import vampnet
from lib.dynamics.crossvalidation import by_trajectory, cross_validate
from lib.dynamics.vamp import rewhitened_score
from lib.dynamics.vampnet import Settings, fit, inner_split, transform


QUICK = Settings(outputs=2, hidden=(16,), epochs=4, batch=500)


def double_well(frames, seed):
    """A two-state jump process seen through a nonlinear map with noise: (frame, 3) float32."""
    rng = np.random.default_rng(seed)
    state = np.cumsum(rng.random(frames) < 0.02) % 2
    angle = np.pi * state + 0.4 * rng.standard_normal(frames)
    return np.stack([np.cos(angle), np.sin(angle), rng.standard_normal(frames)], 1).astype(np.float32)


TRAIN, INNER = [double_well(1500, 1), double_well(1500, 2)], [double_well(1500, 3)]


def weights(result):
    return torch.cat([p.flatten() for p in result.lobe.parameters()])


def test_learns_the_jump_process():
    result = fit(TRAIN, INNER, 3, 0, Settings(outputs=2, hidden=(16,), epochs=15, batch=500, learning_rate=5e-3))
    assert not result.failed
    state = (INNER[0][:, :1] > 0).astype(float)  # what an observer who sees the states would score
    assert 0.95 * rewhitened_score([state], 3) < result.score < 3
    assert result.score == pytest.approx(rewhitened_score(transform(result.lobe, INNER), 3), abs=1e-9)


def test_best_weights_are_restored_when_validation_worsens(monkeypatch):
    """With the geom2vec code's state_dict() and no copy, "best" is the last epoch (papers.md 4.5, defect 2)."""
    validation = iter([1.5, 1.8, 1.6, 1.4])
    seen = []
    original = vampnet.train_epoch

    def spy(lobe, *rest):
        score = original(lobe, *rest)
        seen.append(torch.cat([p.detach().flatten() for p in lobe.parameters()]).clone())
        return score

    monkeypatch.setattr(vampnet, "rewhitened_score", lambda *_: next(validation))
    monkeypatch.setattr(vampnet, "train_epoch", spy)
    result = fit(TRAIN, INNER, 3, 0, QUICK)
    assert result.best_epoch == 1
    assert result.score == 1.8
    torch.testing.assert_close(weights(result), seen[1], rtol=0, atol=0)
    assert not torch.equal(seen[1], seen[3])


def test_patience_stops_the_run(monkeypatch):
    monkeypatch.setattr(vampnet, "rewhitened_score", lambda *_: 1.5)
    result = fit(TRAIN, INNER, 3, 0, Settings(outputs=2, hidden=(8,), epochs=50, patience=2))
    assert len(result.history) == 3


def test_a_fit_depends_on_its_seed_and_on_nothing_else():
    a = fit(TRAIN, INNER, 3, 7, QUICK)
    torch.manual_seed(99)
    torch.rand(10)
    b, c = fit(TRAIN, INNER, 3, 7, QUICK), fit(TRAIN, INNER, 3, 8, QUICK)
    assert torch.equal(weights(a), weights(b))
    assert np.array_equal(a.history, b.history)
    assert not torch.equal(weights(a), weights(c))


def test_a_fit_leaves_the_thread_count_and_the_global_generator_alone():
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    fit(TRAIN, INNER, 3, 7, QUICK)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_the_scale_of_the_features_does_not_matter():
    """A thousandth of the length unit changes nothing, up to float32 rounding that training amplifies."""
    a = fit(TRAIN, INNER, 3, 7, QUICK)
    b = fit([1024 * t for t in TRAIN], [1024 * t for t in INNER], 3, 7, QUICK)
    assert a.score == pytest.approx(b.score, abs=1e-6)


def test_noise_is_reported_as_a_failed_run():
    rng = np.random.default_rng(0)
    noise = [rng.standard_normal((20_000, 3)).astype(np.float32) for _ in range(2)]
    result = fit(noise[:1], noise[1:], 3, 0, Settings(outputs=2, hidden=(4,), epochs=1))
    assert "only the constant was learned" in result.failed
    assert result.score >= 1


def test_a_diverged_run_is_reported_and_keeps_the_last_good_weights(monkeypatch):
    calls = iter([1.5])

    def diverge(*_):
        return next(calls, None) or rewhitened_score([np.full((9, 2), np.nan)], 1)

    monkeypatch.setattr(vampnet, "rewhitened_score", diverge)
    result = fit(TRAIN, INNER, 3, 0, QUICK)
    assert result.failed.startswith("epoch 1: ")
    assert result.score == 1.5
    assert torch.isfinite(weights(result)).all()


def test_a_constant_feature_is_harmless():
    padded = [np.pad(t, ((0, 0), (0, 2)), constant_values=3.0) for t in (*TRAIN, *INNER)]
    assert not fit(padded[:2], padded[2:], 3, 0, QUICK).failed


def test_inner_split_leaves_the_gap():
    trajectory = np.arange(100)[:, None]
    (train,), (inner,) = inner_split([trajectory], 0.2, 7)
    assert train[-1, 0] == 72
    assert inner[0, 0] == 80
    assert inner[-1, 0] == 99
    with pytest.raises(ValueError, match="10 frames cannot hold a gap of 9"):
        inner_split([trajectory[:10]], 0.2, 9)


def test_cross_validation_holds_whole_trajectories_out_whatever_the_number_of_processes():
    features = [*TRAIN, *INNER]
    serial = cross_validate(features, 3, [0, 1], QUICK, jobs=1)
    assert [(f.seed, f.test) for f in serial] == [(s, t) for s in (0, 1) for t in range(3)]
    parallel = cross_validate(features, 3, [0, 1], QUICK, jobs=2)
    for score in ("rewhitened", "cross_validated", "batch_mean"):
        table = by_trajectory(serial, score)
        assert table.shape == (3, 2)
        assert (table >= 1).all()
        assert (table <= 3.2).all()
        np.testing.assert_array_equal(table, by_trajectory(parallel, score))


def test_the_test_trajectory_has_no_influence_on_the_fit():
    a = cross_validate([TRAIN[0], TRAIN[1], INNER[0]], 3, [0], QUICK, jobs=1)[2]
    b = cross_validate([TRAIN[0], TRAIN[1], double_well(1500, 9)], 3, [0], QUICK, jobs=1)[2]
    assert torch.equal(weights(a.fit), weights(b.fit))
    assert a.rewhitened != b.rewhitened


def changed(value):
    broken = TRAIN[0].copy()
    broken[3, 1] = value
    return [broken, TRAIN[1]]


@pytest.mark.parametrize(
    ("train", "inner", "lag", "message"),
    [
        (TRAIN, INNER, 1500, "lag is 1500 frames, expected less"),
        ([TRAIN[0][:3], TRAIN[1]], INNER, 3, "lag is 3 frames, expected less"),
        (TRAIN, INNER, 0, "lag is 0 frames"),
        (changed(np.nan), INNER, 3, "training features of trajectory 0 hold NaN"),
        (TRAIN, [np.full((100, 3), np.inf)], 3, "validation features of trajectory 0 hold NaN or infinity"),
        ([TRAIN[0], TRAIN[1][:, :2]], INNER, 3, "training features have the shapes"),
        (TRAIN, [INNER[0][:, :2]], 3, "training features have d = 3, validation features 2"),
        ([], INNER, 3, "training features have the shapes"),
    ],
)
def test_wrong_input(train, inner, lag, message):
    with pytest.raises(ValueError, match=message):
        fit(train, inner, lag, 0, QUICK)


def test_features_of_another_system_are_refused():
    result = fit(TRAIN, INNER, 3, 0, QUICK)
    with pytest.raises(ValueError, match="features have 5 columns, the lobe was made for 3"):
        transform(result.lobe, [np.zeros((4, 5), np.float32)])

import numpy as np
import pytest
import torch

from lib.dynamics import vampnet
from lib.dynamics.crossvalidation import blocks, by_trajectory, cross_validate, failure_rate
from lib.dynamics.vamp import koopman, rewhitened_score
from lib.dynamics.vampnet import Lobe, Settings, chain_starts, ends, fit, inner_split, mlp, transform


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


def test_a_long_trajectory_is_cut_into_parts_that_no_pair_joins():
    parts = blocks([np.arange(100)[:, None], np.arange(200, 250)[:, None]], 2, 6)
    assert [(int(p[0, 0]), int(p[-1, 0])) for p in parts] == [(0, 46), (53, 99), (200, 221), (228, 249)]
    with pytest.raises(ValueError, match="20 frames cannot hold 3 parts longer than the gaps of 5"):
        blocks([np.zeros((20, 1))], 3, 5)


def test_failure_rate():
    folds = cross_validate([*TRAIN, *INNER], 3, [0], QUICK, jobs=1)
    assert failure_rate(folds) == 0
    folds[1].fit.failed = "epoch 3: it diverged"
    assert failure_rate(folds) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("chain", "shift"), [(1, 0), (3, 0), (3, 5), (4, 1)])
def test_chains_hold_each_pair_at_most_once_and_stay_within_trajectories(chain, shift):
    lengths, lag = [50, 31], 2
    first = chain_starts(lengths, lag, chain, shift)
    frames = np.arange(81)
    x, y = ends(torch.cat([torch.from_numpy(frames[first + j * lag]) for j in range(chain + 1)]), chain)
    assert (y - x == lag).all()
    assert len(np.unique(x)) == len(x)
    assert ((x < 50) == (y < 50)).all()
    assert len(x) >= 81 - 2 * lag - 2 * (lag * chain + shift)  # at most one chain and the shift are lost at the ends


def test_frames_shared_by_chains_train_as_well_as_shuffled_pairs():
    shared, pairs = (fit(TRAIN, INNER, 3, 0, Settings(2, (16,), 12, 500, 5e-3, chain=c)).score for c in (8, 1))
    assert shared > 0.97 * pairs


def test_a_reversible_fit_scores_as_its_self_adjoint_koopman_matrix_does():
    result = fit(TRAIN, INNER, 3, 0, Settings(outputs=2, hidden=(16,), epochs=10, batch=500, reversible=True))
    k, _ = koopman(transform(result.lobe, INNER), 3, reverse=True)
    assert result.score == pytest.approx(1 + np.square(np.linalg.eigvals(k).real).sum(), abs=1e-9)
    assert result.score > 1.6


class TokenLobe(torch.nn.Module):
    """Scalars and vector lengths of each token -> MLP -> sum over tokens, with dropout."""

    def __init__(self, mean, spread, settings, generator):
        super().__init__()
        self.layers = mlp((2 * mean.shape[-1], 8, settings.outputs), generator)
        self.dropout = torch.nn.Dropout(0.1)

    def forward(self, tokens):
        invariants = torch.cat([tokens[:, :, 0], (tokens[:, :, 1:].square().sum(2) + 1e-6).sqrt()], -1)
        return self.dropout(self.layers(invariants).sum(1))


def as_tokens(features):
    """(frame, 3) -> (frame, 3 tokens, 4, 2) with the features as scalars."""
    tokens = np.zeros((*features.shape, 4, 2), np.float32)
    tokens[:, :, 0, 0], tokens[:, :, 0, 1] = features, np.roll(features, 1, 1)
    return tokens


def test_any_network_may_be_the_lobe_and_its_dropout_depends_on_the_seed_only():
    train, inner = [as_tokens(t) for t in TRAIN], [as_tokens(t) for t in INNER]
    results = []
    for other in (1, 2):
        torch.manual_seed(other)
        results.append(fit(train, inner, 3, 0, QUICK, network=TokenLobe))
    assert np.array_equal(results[0].history, results[1].history)
    assert not results[0].failed
    assert not results[0].lobe.training
    with pytest.raises(ValueError, match="d = 3x4x2, validation features 2x4x2"):
        fit(train, [inner[0][:, :2]], 3, 0, QUICK, network=TokenLobe)


def test_a_wide_lobe_computes_the_same_by_onednn(monkeypatch):
    rng = np.random.default_rng(0)
    wide = torch.from_numpy(rng.normal(4, 2, (200, 1100)).astype(np.float32))
    lobe = Lobe(wide.mean(0).numpy(), wide.std(0).numpy(), QUICK, torch.Generator().manual_seed(0))
    found = {}
    for limit in (1024, 2048):
        monkeypatch.setattr(vampnet, "WIDE", limit)
        lobe.zero_grad()
        outputs = lobe(wide)
        outputs.square().sum().backward()
        found[limit] = [outputs.detach(), *(p.grad.clone() for p in lobe.parameters())]
    for fast, plain in zip(*found.values()):
        torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-4 * float(plain.abs().max()))


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


def test_chains_longer_than_the_trajectories_are_refused():
    with pytest.raises(ValueError, match="chains of 500 pairs at a lag of 3 frames"):
        fit(TRAIN, INNER, 3, 0, Settings(chain=500))


def test_features_of_another_system_are_refused():
    result = fit(TRAIN, INNER, 3, 0, QUICK)
    with pytest.raises(ValueError, match="features have 5 columns, the lobe was made for 3"):
        transform(result.lobe, [np.zeros((4, 5), np.float32)])

"""Probes on models whose R² is known, and a check that nothing leaks from the held-out trajectory."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from lib.measure import probes


def linear(noise, trajectories=3, frames=1500, d=12, seed=0):
    """Features, and targets that depend on them linearly with a share `noise` of independent variance."""
    random = np.random.default_rng(seed)
    w = random.normal(size=(d, 2)) / np.sqrt(d)
    features = [random.normal(size=(frames, d)) * np.arange(1, d + 1) for _ in range(trajectories)]
    scaled = [f / np.arange(1, d + 1) @ w for f in features]
    spread = np.concatenate(scaled).std(0)
    return features, [
        np.sqrt(1 - noise) * s / spread + np.sqrt(noise) * random.normal(size=s.shape) + 7 for s in scaled
    ]


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
def test_ridge_finds_the_explained_variance_of_a_linear_model(noise):
    features, targets = linear(noise)
    found = probes.held_out(features, targets, probes.ridge)
    parts = [probes.sums(found, targets, 100)]
    assert probes.score(parts) == pytest.approx(1 - noise, abs=0.02 if noise else 1e-8)
    assert probes.score(parts) == pytest.approx(
        1
        - np.square(np.concatenate(found) - np.concatenate(targets)).sum()
        / np.square(np.concatenate(targets) - np.concatenate(targets).mean(0)).sum(),
        abs=1e-9,
    )


def test_the_score_of_one_column_is_the_textbook_r2():
    features, targets = linear(0.4)
    one = [t[:, :1] for t in targets]
    found = probes.held_out(features, one, probes.ridge)
    assert probes.score([probes.sums(found, one, 97)]) == pytest.approx(
        r2_score(np.concatenate(one), np.concatenate(found)), abs=1e-9
    )


@pytest.mark.parametrize("frames", [300, 8])  # more and fewer frames than features
def test_the_solution_is_that_of_scikit_learn(frames):
    features, targets = linear(0.3, frames=frames, trajectories=1)
    x = probes.Scale(features)(features[0])
    penalty = 1e-2
    expected = Ridge(alpha=penalty * np.linalg.eigvalsh(x.T @ x)[-1]).fit(x, targets[0]).predict(x)
    np.testing.assert_allclose(
        probes._ridge(features, targets)(features[0], np.array([[penalty]]))[0], expected, atol=1e-8
    )


def test_nearest_neighbours_follow_a_curve_that_no_line_does():
    random = np.random.default_rng(1)
    features = [random.uniform(-1, 1, (800, 2)) for _ in range(3)]
    targets = [(f[:, :1] ** 2 + f[:, 1:] ** 2) for f in features]
    by = {
        fit: probes.score([probes.sums(probes.held_out(features, targets, fit), targets, 100)])
        for fit in (probes.ridge, probes.knn)
    }
    assert by[probes.knn] > 0.95
    assert by[probes.ridge] < 0.05


def test_nothing_of_the_held_out_trajectory_is_used():
    features, targets = linear(0.2)
    before = probes.held_out(features, targets, probes.ridge)[0]
    targets[0] = targets[0] * 100 + 3
    np.testing.assert_array_equal(probes.held_out(features, targets, probes.ridge)[0], before)
    fitted = probes.projected(lambda f: seen.append(len(f)) or (lambda x: x), probes.ridge)
    seen = []
    probes.held_out(features, targets, fitted)
    assert seen == [2, 2, 2]


def test_a_constant_or_duplicated_feature_changes_little():
    features, targets = linear(0.2)
    wide = [np.concatenate([f, f[:, :1], np.full((len(f), 1), 5.0)], 1) for f in features]
    first, second = (probes.held_out(f, targets, probes.ridge)[1] for f in (features, wide))
    np.testing.assert_allclose(first, second, atol=0.02)


def test_the_bootstrap_has_the_spread_of_repeated_experiments():
    def run(seed):
        features, targets = linear(0.5, seed=seed, frames=300)
        return probes.sums(probes.held_out(features, targets, probes.ridge), targets, 10)

    repeats = [probes.score([run(seed)]) for seed in range(40)]
    draws = probes.bootstrap([run(99)], 300)
    assert 0.6 < draws.std() / np.std(repeats) < 1.6
    low, high = np.quantile(draws, [0.025, 0.975])
    assert low < 0.5 < high


def test_draws_of_two_features_are_paired():
    features, targets = linear(0.5, frames=300)
    parts = probes.sums(probes.held_out(features, targets, probes.ridge), targets, 30)
    np.testing.assert_allclose(probes.bootstrap([parts], 20), probes.bootstrap([parts] * 3, 20))
    assert np.ptp(probes.bootstrap([parts], 20)) > 0


@pytest.mark.parametrize("fit", [probes.ridge, probes.knn])
def test_features_that_never_vary_explain_nothing(fit):
    targets = linear(0.0, frames=300)[1]
    features = [np.full((300, 3), 1 / 3, np.float32) for _ in targets]
    found = probes.score([probes.sums(probes.held_out(features, targets, fit), targets, 100)])
    assert -0.3 < found < 0.01  # ties: as many arbitrary frames as there are neighbours


def test_one_trajectory_and_few_frames_are_refused():
    features, targets = linear(0.1)
    with pytest.raises(ValueError, match="1 trajectories, expected at least 2"):
        probes.held_out(features[:1], targets[:1], probes.ridge)
    with pytest.raises(ValueError, match="frames of features"):
        probes.held_out(features, [t[:5] for t in targets], probes.ridge)
    with pytest.raises(ValueError, match="make 1 blocks of 1000"):
        probes.sums(targets, targets, 1000)

import numpy as np
import pytest

from lib.dynamics.crossvalidation import Fold
from lib.dynamics.uncertainty import (
    block_moments,
    bootstrap_scores,
    bootstrap_timescales,
    gain_metric,
    moment_score,
    score_metric,
)
from lib.dynamics.validation import timescales
from lib.dynamics.vamp import rewhitened_score


def autoregressive(frames, seed, rho=(0.9, 0.5)):
    rng, rho = np.random.default_rng(seed), np.array(rho)
    x = np.zeros((frames, 2))
    for t in range(1, frames):
        x[t] = rho * x[t - 1] + np.sqrt(1 - rho**2) * rng.standard_normal(2)
    return x


def fold(test, outputs, seed=0):
    return Fold(test, seed, None, np.nan, np.nan, np.nan, outputs)


def test_the_sum_over_blocks_scores_as_the_whole():
    outputs = 5 + 0.01 * autoregressive(2001, 0)
    assert moment_score(block_moments(outputs, 1, 100).sum(0)) == pytest.approx(rewhitened_score([outputs], 1))


def test_draws_spread_as_independent_trajectories_do():
    scores = [rewhitened_score([autoregressive(4001, seed)], 1) for seed in range(60)]
    spread = [bootstrap_scores([fold(0, [autoregressive(4001, s)])], 1, 200, 100).std() for s in range(8)]
    assert np.mean(spread) == pytest.approx(np.std(scores), rel=0.3)


def test_draws_of_two_features_are_paired():
    """An invertible map changes no score, so the paired difference is zero in each draw."""
    trajectories = [autoregressive(1001, 1), autoregressive(801, 2)]
    folds = [fold(i, trajectories) for i in range(2)]
    mapped = [fold(i, [t @ np.array([[1, 2], [0, 3.0]]) - 4 for t in trajectories]) for i in range(2)]
    a, b = bootstrap_scores(folds, 1, 50, 20), bootstrap_scores(mapped, 1, 50, 20)
    np.testing.assert_allclose(a, b, atol=1e-9)
    assert a.std() > 0.01


def test_seeds_are_redrawn_too():
    """Two seeds, one of which learned nothing: the draws must spread by more than those of either."""
    good, noise = autoregressive(4001, 1), np.random.default_rng(0).standard_normal((4001, 2))
    both = bootstrap_scores([fold(0, [good], 0), fold(0, [noise], 1)], 1, 100, 50)
    assert both.std() > 0.15
    assert both.min() < 1.1
    assert both.max() > 1.8


@pytest.mark.parametrize("block", [None, 200])
def test_timescales_redrawn_by_trajectory_or_by_block_spread_as_independent_data_do(block):
    exact = -1 / np.log([0.9, 0.5])
    sets = [[autoregressive(1001, 100 * s + i) for i in range(20)] for s in range(30)]
    draws = [bootstrap_timescales(d, 2, 2, block, 60) for d in sets[:8]]
    assert np.mean(draws, axis=(0, 1)) == pytest.approx(exact, rel=0.05)
    independent = [timescales(d, [2, 4], 1).timescales_for_process(0)[0] for d in sets]
    assert np.mean([d[:, 0].std() for d in draws]) == pytest.approx(np.std(independent), rel=0.35)


def test_timescales_that_the_outputs_lack_are_not_made_up():
    draws = bootstrap_timescales([autoregressive(500, i) for i in range(4)], 1, 3, None, 5)
    assert np.isfinite(draws[:, :2]).all()
    assert np.isnan(draws[:, 2]).all()
    with pytest.raises(ValueError, match="more than the lag of 5"):
        bootstrap_timescales([autoregressive(100, 0)], 5, 1, 5)
    with pytest.raises(ValueError, match="expected at least 2 blocks"):
        bootstrap_timescales([autoregressive(100, 0)], 5, 1)


def test_metrics_of_scores_and_gains():
    table, draws = np.array([[1.5, 1.7], [1.9, 2.1]]), np.linspace(1.7, 1.9, 101)
    score = score_metric(table, draws)
    assert (score["value"], score["n"]) == (pytest.approx(1.8), 4)
    assert score["low"] == pytest.approx(1.705)
    assert score["tolerance"] == pytest.approx(3 * np.std([1.7, 1.9], ddof=1))
    gain = gain_metric(table, table / 1.2, draws, draws / 1.2)
    np.testing.assert_allclose([gain[k] for k in ("value", "low", "high", "tolerance")], [20, 20, 20, 0], atol=1e-9)
    assert gain_metric(table, 0.9 * table, draws, 0.9 * draws, offset=1)["value"] > gain["value"]


@pytest.mark.parametrize(("block", "message"), [(5, "more than the lag of 5"), (60, "make 1 blocks of 60")])
def test_wrong_blocks(block, message):
    with pytest.raises(ValueError, match=message):
        block_moments(autoregressive(100, 0), 5, block)

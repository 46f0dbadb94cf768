"""Label uncertainty: exact answers, Monte Carlo, and bad input."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from lib.measure.labels import complete, crossing, measured, rank_correlation, spread, unexplained


def test_spread_is_the_standard_deviation_over_levels():
    np.testing.assert_allclose(spread([[1.0, 3.0], [5.0, 5.0]]), [np.sqrt(2), 0])


def test_a_shift_and_a_scale_are_explained_and_noise_is_not():
    random = np.random.default_rng(0)
    reference, noise = random.normal(5, 2, 4000), random.normal(0, 0.3, 4000)
    values = np.stack([reference, 2 * reference + 7, reference + noise], 1)
    left = unexplained(values, reference)
    np.testing.assert_allclose(left[:, :2], 0, atol=1e-9)
    assert left[:, 2].std() == pytest.approx(0.3, rel=0.05)
    np.testing.assert_allclose(left.mean(0), 0, atol=1e-9)


def test_rank_correlation_is_scipys_and_blind_to_a_monotone_map():
    random = np.random.default_rng(1)
    a = random.normal(size=300)
    table = pd.DataFrame({"a": a, "exp": np.exp(a), "b": a + random.normal(size=300)})
    found = rank_correlation(table)
    assert found.loc["a", "exp"] == pytest.approx(1)
    assert found.loc["a", "b"] == pytest.approx(spearmanr(table.a, table.b).statistic)


def test_measured_error_against_drawn_noise():
    random = np.random.default_rng(2)
    for error in (0.0, 0.1, 0.5, 3.0):
        drawn = np.abs(error + 0.4 * random.standard_normal(400_000)).mean()
        assert measured(np.array([error]), 0.4)[0] == pytest.approx(drawn, rel=5e-3)
    assert measured(np.zeros(1), 0.4)[0] == pytest.approx(0.4 * np.sqrt(2 / np.pi))
    np.testing.assert_array_equal(measured(np.array([0.2, 0.3]), 0.0), [0.2, 0.3])


def test_where_the_harm_crosses_the_gain():
    noises, harm = [0.0, 1.0, 2.0], [0.0, 0.2, 1.0]
    assert crossing(noises, harm, 0.6) == pytest.approx(1.5)
    assert crossing(noises, harm, 0.1) == pytest.approx(0.5)
    assert np.isnan(crossing(noises, harm, 2.0))
    assert crossing(noises, harm, -0.1) == 0.0  # a larger model is no better even without noise


def test_molecules_that_a_level_failed_on_are_left_out():
    values = np.ones((5, 2))
    values[1, 0] = np.nan
    assert complete(values).tolist() == [True, False, True, True, True]
    with pytest.raises(ValueError, match="2 of 4 molecules have a value by every level"):
        complete(values[[1, 1, 0, 2]])

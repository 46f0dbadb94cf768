import numpy as np
import pytest

from lib.measure.paired import difference, shown, verdict


def test_what_both_scores_share_is_not_in_the_interval():
    random = np.random.default_rng(0)
    shared, own = 10 * random.standard_normal(1000), 0.01 * random.standard_normal(1000)
    old = np.array([[1.0, 2.0], [3.0, 4.0]])
    leaf = difference(old + 0.5, old, shared + own + 0.5, shared)
    assert leaf["value"] == pytest.approx(0.5)
    assert 0.47 < leaf["low"] < leaf["value"] < leaf["high"] < 0.53
    assert leaf["n"] == 4
    assert leaf["tolerance"] == pytest.approx(0, abs=1e-12)


def test_the_tolerance_is_three_deviations_over_seeds():
    new, old = np.array([[1.0, 2.0, 4.0]]), np.zeros((1, 3))
    assert difference(new, old, np.zeros(5), np.zeros(5))["tolerance"] == pytest.approx(3 * np.std([1, 2, 4], ddof=1))


def test_scores_that_are_no_pairs_are_refused():
    with pytest.raises(ValueError, match=r"scores .2, 3. and .2, 2., draws"):
        difference(np.zeros((2, 3)), np.zeros((2, 2)), np.zeros(5), np.zeros(5))


@pytest.mark.parametrize(("low", "high", "word"), [(0.1, 0.2, "higher"), (-0.2, -0.1, "lower"), (-1, 1, "not")])
def test_the_interval_decides_the_word(low, high, word):
    leaf = {"value": (low + high) / 2, "low": low, "high": high}
    assert verdict(leaf).startswith(word)
    assert shown(leaf, 1) == f"{leaf['value']:+.1f} ({low:+.1f} to {high:+.1f})"


def test_one_run_decides_nothing():
    leaf = {"value": 5.0, "low": None, "high": None}
    assert verdict(leaf).startswith("not")
    assert shown(leaf) == "+5.000 (+nan to +nan)"

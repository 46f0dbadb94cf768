"""McNemar, hierarchical bootstrap, power: exact values, coverage, and the numbers known from simulation."""

import numpy as np
import pytest
from scipy.stats import binomtest

from lib.measure.classifiers import gain_interval, macro, mcnemar, mcnemar_power, unpaired_power


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 0), (7, 1), (5, 5), (3, 14)])
def test_mcnemar_is_the_exact_sign_test(gained, lost):
    new = np.repeat([True, False, True, False], [gained, lost, 4, 6])
    old = np.repeat([False, True, True, False], [gained, lost, 4, 6])
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert mcnemar(new, old) == (gained, lost, pytest.approx(expected))


def test_macro_weighs_classes_equally():
    labels = np.array([0] * 8 + [3] * 2)
    right = np.array([[True] * 8 + [False] * 2, [True] * 10])
    np.testing.assert_allclose(macro(right, labels), [0.5, 1.0])


def test_the_interval_of_a_gain_covers_it():
    """Seeds and items both vary; the true gain is 10 points."""
    inside = 0
    for trial in range(60):
        random = np.random.default_rng(trial)
        ease = random.random(80)
        skill = random.normal(0, 0.03, (2, 8, 1))
        old, new = ((random.random((8, 80)) < ease * 0.8 + s) for s in skill)
        new |= (random.random((8, 80)) < 0.1 / (1 - 0.4)) & ~new
        truth = 100 * (0.1 / 0.6) * 0.6
        _, low, high = gain_interval(new, old, 200, trial)
        inside += low < truth < high
    assert inside >= 50


def test_a_bootstrap_is_paired():
    """Two classifiers that agree on every item have no spread, however hard the items are."""
    old = np.random.default_rng(0).random((5, 50)) < 0.5
    assert gain_interval(old, old) == (0, 0, 0)
    new = old.copy()
    new[:, :10] = True
    mean, low, high = gain_interval(new, old)
    assert mean == pytest.approx(100 * (new.mean() - old.mean()))
    assert 0 < low < mean < high


@pytest.mark.parametrize(
    ("gain", "disagreement", "expected"),
    [(0.021, 0.05, 0.67), (0.021, 0.12, 0.33), (0.021, 0.20, 0.22), (0.053, 0.12, 0.99), (0.053, 0.20, 0.88)],
)
def test_power_of_mcnemar_is_that_of_a_simulation(gain, disagreement, expected):
    """718 domains; expected: simulated with 2,000 draws of binomtest."""
    assert mcnemar_power(718, gain, disagreement) == pytest.approx(expected, abs=0.035)


def test_power_without_pairing():
    assert 0.10 < unpaired_power(718, 0.52, 0.021) < 0.14
    assert unpaired_power(718, 0.52, 0.053) == pytest.approx(0.5, abs=0.04)
    assert unpaired_power(718, 0.52, 0.0) == pytest.approx(0.05, abs=1e-6)


def test_the_exact_test_keeps_its_level():
    assert mcnemar_power(300, 0.0, 0.1) <= 0.05


def test_bad_input():
    with pytest.raises(ValueError, match="same items"):
        mcnemar(np.ones(3, bool), np.ones(4, bool))
    with pytest.raises(ValueError, match="same seeds"):
        gain_interval(np.ones((2, 3)), np.ones((3, 3)))
    with pytest.raises(ValueError, match="between the gain"):
        mcnemar_power(10, 0.2, 0.1)

import numpy as np
import pytest

from lib.measure.metric import t_interval
from lib.measure.stats import block_bootstrap, percentile_interval, relative_gain


def test_t_interval_of_a_textbook_sample():
    mean, low, high = t_interval([1.0, 2.0, 3.0])
    half = 4.302653 / np.sqrt(3)  # Student's t, 2 degrees of freedom, 97.5 %
    np.testing.assert_allclose([mean, low, high], [2, 2 - half, 2 + half], rtol=1e-6)


def test_one_value_has_no_interval():
    mean, low, high = t_interval([4.0])
    assert mean == 4
    assert np.isnan(low)
    assert np.isnan(high)


@pytest.mark.parametrize(("values", "message"), [([], "no values"), ([1.0, np.nan], "1 of 2 values are not finite")])
def test_t_interval_refuses(values, message):
    with pytest.raises(ValueError, match=message):
        t_interval(values)


def test_block_bootstrap_of_a_mean_has_the_standard_error_of_the_blocks():
    blocks = np.random.default_rng(0).normal(size=400)
    draws = block_bootstrap([400], lambda chosen: blocks[chosen[0]].mean(), draws=2000)
    assert abs(draws.std() / (blocks.std() / 20) - 1) < 0.07
    low, high = percentile_interval(draws)
    assert low < blocks.mean() < high


def test_block_bootstrap_keeps_each_stratum():
    seen = []
    block_bootstrap([3, 5], lambda chosen: seen.append([len(c) for c in chosen]) or 0.0, draws=4)
    assert seen == [[3, 5]] * 4
    with pytest.raises(ValueError, match="at least 2 blocks"):
        block_bootstrap([5, 1], lambda chosen: 0.0)


def test_relative_gain_depends_on_the_offset_as_the_convention_does():
    assert relative_gain([3.0, 3.0], [2.0, 2.0])[0] == pytest.approx(50)
    assert relative_gain([3.0, 3.0], [2.0, 2.0], offset=1)[0] == pytest.approx(100)


def test_relative_gain_is_paired():
    old = np.array([1.0, 5.0, 20.0])
    mean, low, high = relative_gain(1.1 * old, old)
    np.testing.assert_allclose([mean, low, high], [10, 10, 10], atol=1e-9)


def test_relative_gain_refuses_what_is_not_paired():
    with pytest.raises(ValueError, match="expected pairs"):
        relative_gain([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="expected positive"):
        relative_gain([2.0], [1.0], offset=1)

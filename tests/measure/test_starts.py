import numpy as np
import pytest

from lib.measure import metric
from lib.measure.starts import gain, smallest


def test_a_gain_is_paired_by_seed():
    scratch = np.array([10.0, 20.0, 30.0])
    leaf = gain(scratch, scratch - [1.0, 1.1, 0.9], "meV")
    assert leaf["value"] == pytest.approx(1.0)
    assert leaf["low"] > 0.7, "seeds differ by 10, pairs by 0.1"
    assert (leaf["n"], leaf["unit"]) == (3, "meV")
    with pytest.raises(ValueError, match="expected pairs"):
        gain(scratch, scratch[:2], "meV")


def test_all_gains_are_positive_only_if_the_smallest_is():
    clear, wide = metric.interval(5, 4, 6, 3), metric.interval(3, -1, 7, 3)
    loss = metric.interval(-2, -3, -1, 3)
    assert smallest([clear, wide])["low"] == -1
    assert smallest([clear, clear])["low"] == 4
    worst = smallest([clear, wide, loss])
    assert (worst["value"], worst["high"]) == (-2, -1)
    assert smallest([clear, metric.exact(1.0)])["low"] is None
    with pytest.raises(ValueError, match="no gains"):
        smallest([])

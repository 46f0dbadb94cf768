import numpy as np
import pytest
from dynamics.chains import exact_model, random_reversible
from scipy.stats import poisson

from lib.dynamics.transitions import cores, count_transitions, last_core, passages, poisson_interval


def test_recrossings_and_file_boundaries_do_not_count():
    one = np.array([-1, 0, -1, 0, -1, -1, 1, -1, 1, 0])
    two = np.array([1, 1, -1, 0])
    np.testing.assert_array_equal(last_core(one), [-1, 0, 0, 0, 0, 0, 1, 1, 1, 0])
    np.testing.assert_array_equal(count_transitions([one, two], 2), [[0, 1], [2, 0]])
    assert count_transitions([np.full(5, -1)], 2).sum() == 0


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_those_of_a_walk_by_hand(seed):
    rng = np.random.default_rng(seed)
    series = [rng.integers(-1, 3, n) for n in (200, 1, 57)]
    expected, through, underway = np.zeros((3, 3), int), 0, 0
    for each in series:
        before, end = None, None
        for core in each:
            if core >= 0:
                if before is not None and core != before:
                    expected[before, core] += 1
                before = core
            if core in (0, 2):
                through += end == 0 and core == 2
                end = core
            underway += end == 0
    np.testing.assert_array_equal(count_transitions(series, 3), expected)
    assert passages(series, 0, 2) == (through, underway)


def test_cores_leave_out_what_lies_between():
    model = exact_model(random_reversible(4, 0), [0, 0, 1, 1], clusters=[np.array([0, 1, 2, 3, 1])])
    model.memberships[:] = [[0.95, 0.05], [0.6, 0.4], [0.3, 0.7], [0.45, 0.55]]
    np.testing.assert_array_equal(cores(model)[0], [0, -1, 1, -1, -1])  # state 1 has no better cluster than 0.7


@pytest.mark.parametrize("count", [0, 1, 7, 100])
def test_the_interval_of_a_count_has_its_tails(count):
    low, high = poisson_interval(count)
    assert poisson.cdf(count, high) == pytest.approx(0.025)
    if count:
        assert poisson.sf(count - 1, low) == pytest.approx(0.025)
    else:
        assert low == 0

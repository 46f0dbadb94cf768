import numpy as np
import pytest
from dynamics.chains import exact_model, random_reversible, sample

from lib.dynamics.paths import core_sets, farthest, passage_times, populations, sets, transition
from lib.dynamics.transitions import passages


def linear_passage(matrix, start, end, weight):
    """Mean first passage time from the clusters `start` to `end`, by the linear equations that define it."""
    away = [i for i in range(len(matrix)) if i not in end]
    m = np.zeros(len(matrix))
    m[away] = np.linalg.solve(np.eye(len(away)) - matrix[np.ix_(away, away)], np.ones(len(away)))
    return np.average(m[start], weights=weight[start])


@pytest.mark.parametrize("seed", range(5))
def test_passage_times_and_committors_solve_their_equations(seed):
    matrix, state_of = random_reversible(7, seed), [0, 0, 1, 1, 2, 2, 2]
    model = exact_model(matrix, state_of, lag=3)
    weight = model.posterior.prior.stationary_distribution
    for (i, j), found in passage_times(model).items():
        own = [np.flatnonzero(np.array(state_of) == s) for s in (i, j)]
        assert found.value == pytest.approx(3 * linear_passage(matrix, *own, weight))
        assert found.low == pytest.approx(found.value) == pytest.approx(found.high)
    way = transition(model, 0, 2)
    free = [2, 3]
    forward = np.linalg.solve(np.eye(2) - matrix[np.ix_(free, free)], matrix[np.ix_(free, [4, 5, 6])].sum(1))
    np.testing.assert_allclose(way.committor, [0, np.average(forward, weights=weight[free]), 1], atol=1e-12)
    assert sum(part for _, part in way.paths) == pytest.approx(1, abs=0.011)
    assert [e.value for e in populations(model)] == pytest.approx(list(model.populations))


def test_the_rate_of_two_states_is_their_transition_probability():
    model = exact_model([[0.98, 0.02], [0.05, 0.95]], [0, 1], lag=10)
    assert transition(model, 0, 1).rate.value == pytest.approx(0.002)
    assert transition(model, 1, 0).rate.value == pytest.approx(0.005)
    assert passage_times(model)[0, 1].value == pytest.approx(500)


def test_paths_share_the_flux_as_currents_share_a_circuit():
    """From 0 to 3 by 1 or by 2: each route is two equal conductors in series."""
    link = np.zeros((4, 4))
    for a, b, conductance in ((0, 1, 3.0), (1, 3, 3.0), (0, 2, 1.0), (2, 3, 1.0)):
        link[a, b] = link[b, a] = conductance
    link += np.diag([100.0] * 4)
    way = transition(exact_model(link / link.sum(1, keepdims=True), [0, 1, 2, 3]), 0, 3)
    assert [states for states, _ in way.paths] == [(0, 1, 3), (0, 2, 3)]
    assert [part for _, part in way.paths] == pytest.approx([0.75, 0.25])
    assert way.flux[0, 1] / way.flux[0].sum() == pytest.approx(0.75)
    np.testing.assert_allclose(way.committor, [0, 0.5, 0.5, 1])


def test_a_rate_is_what_a_long_trajectory_shows():
    matrix = random_reversible(6, 3)
    chain = sample(matrix, 200_000, 0)
    model = exact_model(matrix, [0, 0, 1, 1, 2, 2], clusters=[chain])
    way = transition(model, 0, 2)
    events, waited = passages(model.states, 0, 2)
    assert events / waited == pytest.approx(way.rate.value, rel=4 / np.sqrt(events))


def test_passages_are_from_core_to_core_and_shells_are_no_stops():
    """A line of five clusters, the middle one half and half: the core of state 0 is 0, 1, that of state 1 is 3, 4."""
    matrix = np.diag([0.9, 0.8, 0.8, 0.8, 0.9]) + 0.1 * (np.eye(5, k=1) + np.eye(5, k=-1))
    model = exact_model(matrix, [0, 0, 0, 1, 1])
    model.memberships[2] = [0.55, 0.45]
    assert [list(s) for s in sets(model)] == [[0, 1, 2], [3, 4]]
    assert [list(s) for s in core_sets(model)] == [[0, 1], [3, 4]]
    way = transition(model, 0, 1)
    assert way.paths == [((0, 1), pytest.approx(1))]
    weight = model.posterior.prior.stationary_distribution
    expected = linear_passage(matrix, [0, 1], [3, 4], weight)
    assert passage_times(model)[0, 1].value == pytest.approx(expected)


def test_the_slowest_process_is_between_its_ends():
    matrix = np.array([[0.990, 0.010, 0.000], [0.010, 0.960, 0.030], [0.000, 0.010, 0.990]])
    assert farthest(exact_model(matrix, [0, 1, 2])) == (2, 0)


def test_bad_states_are_refused():
    model = exact_model(random_reversible(3, 0), [0, 0, 2])
    with pytest.raises(ValueError, match="no cluster belongs most to state 2"):
        sets(model)
    with pytest.raises(ValueError, match="from state 1 to itself"):
        transition(exact_model(random_reversible(3, 0), [0, 1, 2]), 0, 0)

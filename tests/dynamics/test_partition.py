"""Measures of a partition, against exact answers."""

import numpy as np
import pytest
from dynamics.chains import sample

from lib.dynamics.partition import agreement, entropy, gmrq, quality, separation


CHAIN = np.array([[0.97, 0.03, 0.0], [0.02, 0.96, 0.02], [0.0, 0.05, 0.95]])  # birth and death: reversible


@pytest.fixture(scope="module")
def chains():
    return [sample(CHAIN, 40_000, seed) for seed in range(2)]


@pytest.mark.parametrize("lag", [1, 10])
def test_gmrq_of_a_chain_is_the_sum_of_its_eigenvalues(chains, lag):
    exact = np.sort(np.linalg.eigvals(CHAIN).real)[::-1] ** lag
    for processes in (1, 2, 3):
        found = gmrq(chains[:1], chains[1:], lag, processes)
        assert found == pytest.approx(exact[:processes].sum(), abs=0.03)
        assert found <= processes + 1e-9


def test_gmrq_punishes_a_partition_that_does_not_hold_the_slow_process(chains):
    whole = gmrq(chains[:1], chains[1:], 1, 2)
    lumped = gmrq(*([np.minimum(c, 1)] for c in chains), 1, 2)
    shuffled = gmrq(*([np.random.default_rng(i).permutation(c)] for i, c in enumerate(chains)), 1, 2)
    assert whole > lumped + 0.005
    assert shuffled == pytest.approx(1, abs=0.02)


def test_gmrq_does_not_depend_on_the_names_of_the_states(chains):
    renamed = [np.array([4, 0, 2])[c] for c in chains]
    assert gmrq(renamed[:1], renamed[1:], 5, 2) == pytest.approx(gmrq(chains[:1], chains[1:], 5, 2), abs=1e-9)


def test_gmrq_leaves_out_a_state_that_training_never_saw(chains):
    other = chains[1].copy()
    other[:50] = 3
    assert gmrq(chains[:1], [other], 1, 3) == pytest.approx(gmrq(chains[:1], [chains[1][50:]], 1, 3), abs=1e-9)


def test_gmrq_says_what_is_missing(chains):
    with pytest.raises(ValueError, match="3 states are connected at lag 1, expected at least 4"):
        gmrq(chains[:1], chains[1:], 1, 4)
    with pytest.raises(ValueError, match="hold no pair of the 3 states"):
        gmrq(chains[:1], [np.full(10, 7)], 1, 2)


def test_entropy():
    assert entropy(np.full(4, 0.25)) == pytest.approx(np.log(4))
    assert entropy(np.array([1.0, 0.0])) == 0
    # Four states of a published SPIB tutorial, whose populations sum to 1.0006.
    assert entropy(np.array([0.079, 0.0146, 0.187, 0.720])) == pytest.approx(0.814, abs=0.005)


def test_separation_is_the_ratio_of_widths_to_distance():
    """Two clusters of two points each: every point 1 from its centre, centres 10 apart."""
    means = [np.array([[0.0, 1], [0, -1]]), np.array([[10.0, 1], [10, -1]])]
    assert separation(means, [np.zeros(2, int), np.ones(2, int)]) == pytest.approx(2 / 10)
    assert np.isnan(separation(means, [np.zeros(2, int)] * 2))


def test_agreement_counts_every_pair_of_fits_once():
    a, b = [np.array([0, 0, 1, 1])], [np.array([5, 5, 2, 2])]
    c = [np.array([0, 1, 0, 1])]
    np.testing.assert_allclose(agreement([a, b, c]), [1, -0.5, -0.5])


def test_quality_holds_one_trajectory_out_and_survives_a_collapsed_fit(chains):
    means = [np.eye(3)[c] for c in chains]
    found = quality(chains, means, 1, 1)
    assert found["gmrq"] == gmrq(chains[:1], chains[1:], 1, 2)
    assert found["davies_bouldin"] == 0  # every frame lies in the centre of its state
    assert 0 < found["entropy"] < np.log(3)
    collapsed = quality([np.zeros_like(c) for c in chains], means, 1, 1)
    assert np.isnan(collapsed["gmrq"])
    assert collapsed["entropy"] == 0

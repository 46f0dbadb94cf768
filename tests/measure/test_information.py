import mdtraj
import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from lib.measure import information
from lib.paths import ROOT


RANDOM = np.random.default_rng(0)
N = 20000
BACKBONE = np.repeat(RANDOM.integers(3, size=N // 20), 20)


def slow(period, seed):
    """(N,) a two-state series that lasts about `period` frames."""
    return np.cumsum(np.random.default_rng(seed).random(N) < 1 / period) % 2


def test_one_class_gives_the_plain_mutual_information():
    states, others = RANDOM.integers(4, size=500), RANDOM.integers(3, size=500)
    found = information.conditional_information(states, others, np.zeros(500, int))
    assert found == pytest.approx(mutual_info_score(states, others), abs=1e-12)


def test_it_is_the_mean_over_classes():
    states, others = RANDOM.integers(4, size=N), RANDOM.integers(3, size=N)
    each = [mutual_info_score(states[b == BACKBONE], others[b == BACKBONE]) * np.mean(b == BACKBONE) for b in range(3)]
    assert information.conditional_information(states, others, BACKBONE) == pytest.approx(sum(each), abs=1e-12)


def test_what_goes_through_the_backbone_alone_is_not_counted():
    rotamer = (BACKBONE + (RANDOM.random(N) < 0.1)) % 3
    state = (BACKBONE + (RANDOM.random(N) < 0.1)) % 3
    assert mutual_info_score(state, rotamer) > 0.4
    value, control = information.information_and_control(state, rotamer, BACKBONE)
    assert value - control < 0.002


def test_a_state_that_is_the_rotamer_has_its_whole_entropy():
    rotamer = slow(30, 1)
    value, control = information.information_and_control(rotamer, rotamer, BACKBONE)
    assert value == pytest.approx(np.log(2), abs=0.02)
    assert control < 0.02


def test_the_control_has_the_bias_of_two_slow_series():
    few = [information.information_and_control(slow(400, s), slow(400, 50 + s), BACKBONE) for s in range(12)]
    value, control = np.mean(few, 0)
    shuffled = np.mean(
        [
            information.conditional_information(slow(400, s), RANDOM.permutation(slow(400, 50 + s)), BACKBONE)
            for s in range(12)
        ]
    )
    assert value > 5 * shuffled  # frames are not independent: a plain shuffle would call this information
    assert 0.5 < value / control < 2


def test_moved_rotamers_come_as_often_with_each_class():
    rotamer = RANDOM.integers(3, size=N)
    moved = information.moved_within(rotamer, BACKBONE, np.random.default_rng(0))
    assert (moved != rotamer).mean() > 0.5
    for b in range(3):
        np.testing.assert_array_equal(np.bincount(moved[b == BACKBONE]), np.bincount(rotamer[b == BACKBONE]))


def test_rotamers_are_thirds_of_the_circle():
    start = mdtraj.load(str(ROOT / "lib" / "make" / "start" / "pentapeptide.pdb"))
    found = information.rotamers(start)
    assert list(found) == [f"{r} chi{n}" for n in (1, 2) for r in ("TRP1", "LEU2", "LEU4", "LEU5")]
    angle = np.degrees(mdtraj.compute_chi1(start)[1][0, 0])
    centre = (60, 180, -60)[found["TRP1 chi1"][0]]
    assert abs((angle - centre + 180) % 360 - 180) <= 60


def test_series_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="series of 3, 2 and 3 frames"):
        information.conditional_information(np.zeros(3, int), np.zeros(2, int), np.zeros(3, int))

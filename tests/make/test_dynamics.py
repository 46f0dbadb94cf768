import numpy as np
import pytest

from lib.make.dynamics import Dynamics, frames, simulate, simulation, start_structure
from lib.make.pilot import TOLERANCE_A, difference


SHORT = Dynamics("ala2", 450.0, 10.0, frame_ps=0.2, length_ns=0.004, chunk_ns=0.001)


def test_a_killed_trajectory_resumes_to_the_same_bits(tmp_path):
    whole = simulate(SHORT, 3, tmp_path / "whole")
    cut = tmp_path / "cut"
    simulate(Dynamics(**{**vars(SHORT), "length_ns": 0.002}), 3, cut)  # as if killed after two chunks of four
    resumed = simulate(SHORT, 3, cut)
    np.testing.assert_array_equal(resumed.xyz, whole.xyz)
    assert whole.n_frames == 20
    assert whole.time[-1] == pytest.approx(4.0)


def test_seed_decides():
    first, again, other = (frames(simulation(SHORT, seed), SHORT, 2) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_bonds_to_hydrogen_keep_their_length():
    engine = simulation(SHORT, 1)
    pos = frames(engine, SHORT, 5)
    bonds = [
        (bond[0].index, bond[1].index)
        for bond in engine.topology.bonds()
        if 1 in (bond[0].element.atomic_number, bond[1].element.atomic_number)
    ]
    lengths = np.linalg.norm(pos[:, [i for i, _ in bonds]] - pos[:, [j for _, j in bonds]], axis=-1)
    assert lengths.std(0).max() < 1e-5
    assert len(bonds) == 12


def test_a_seed_that_openmm_would_replace_is_refused():
    with pytest.raises(ValueError, match="seed is 0"):
        simulation(SHORT, 0)


def test_unknown_system_lists_the_known_ones():
    with pytest.raises(FileNotFoundError, match="'villin'; known systems: ala2, hp35-model, pentapeptide"):
        start_structure("villin")


# The other two sets repeat on one kind of processor only, see lib/make/pilot.py; `make verify ALL=1` makes them too.
@pytest.mark.parametrize("name", ["ala2", "mini-equilibrium"])
def test_shipped_set_starts_as_this_code_makes_it(shipped_data, name):
    assert difference(name, shipped_data) <= TOLERANCE_A

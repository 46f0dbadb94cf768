import json
import os
from dataclasses import replace

import mdtraj
import numpy as np
import pytest

from lib.make import stored
from lib.make.dynamics import Dynamics, as_frame, frames, in_turn, one_core, simulate, simulation, start_structure
from lib.make.extend import extended
from lib.make.pilot import TOLERANCE_A, difference


SHORT = Dynamics("ala2", 450.0, 10.0, frame_ps=0.2, length_ns=0.004, chunk_ns=0.001)


def test_a_killed_trajectory_resumes_to_the_same_bits(tmp_path):
    whole, _ = simulate(SHORT, 3, tmp_path / "whole")
    cut = tmp_path / "cut"
    simulate(replace(SHORT, length_ns=0.002), 3, cut)  # as if killed after two chunks of four
    resumed, _ = simulate(SHORT, 3, cut)
    np.testing.assert_array_equal(resumed.xyz, whole.xyz)
    assert whole.n_frames == 20
    assert whole.time[-1] == pytest.approx(4.0)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not let a process choose its cores")
def test_a_trajectory_on_one_core_has_the_same_bits_and_gives_the_others_back(tmp_path):
    before = os.sched_getaffinity(0)
    with one_core(len(before) + 1):
        assert os.sched_getaffinity(0) == {sorted(before)[1 % len(before)]}
    cpu = replace(SHORT, platform="CPU")
    free, _ = simulate(cpu, 3, tmp_path / "free")
    bound, _ = simulate(cpu, 3, tmp_path / "bound", core=0)
    np.testing.assert_array_equal(free.xyz, bound.xyz)
    assert os.sched_getaffinity(0) == before


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
    with pytest.raises(FileNotFoundError, match="'villin'; known systems: ala2, chignolin, chignolin-extended, hp35"):
        start_structure("villin")


def test_starts_are_taken_in_turn_and_are_one_molecule():
    assert in_turn(["chignolin", "chignolin-extended"], 3) == ["chignolin", "chignolin-extended", "chignolin"]
    assert in_turn(["ala2"], 2) == ["ala2", "ala2"]
    with pytest.raises(ValueError, match="pentapeptide has not the atoms of chignolin"):
        in_turn(["chignolin", "pentapeptide"], 2)


def test_the_folded_start_of_chignolin_is_a_hairpin_with_charged_ends():
    start = as_frame("chignolin")
    bonds = {(str(start.topology.atom(i)), str(start.topology.atom(j))) for i, _, j in mdtraj.wernet_nilsson(start)[0]}
    assert {("ASP3-N", "THR8-O"), ("GLY7-N", "ASP3-O"), ("TYR10-N", "TYR1-O")} <= bonds
    names = [atom.name for atom in start.topology.atoms]
    assert (start.n_atoms, "H3" in names, "OXT" in names) == (166, True, True)
    folded, unfolded = (
        10 * mdtraj.compute_contacts(as_frame(name), [[0, 9]], "ca")[0].item()
        for name in ("chignolin", "chignolin-extended")
    )
    assert folded < 7
    assert unfolded > 28


def test_the_extended_start_is_what_the_code_makes_of_the_folded_one():
    topology, pos = extended("chignolin")
    written = as_frame("chignolin-extended")
    assert [a.name for a in topology.atoms()] == [a.name for a in written.topology.atoms]
    made = mdtraj.Trajectory(pos[None] / 10, written.topology)
    assert 10 * mdtraj.rmsd(made, written).item() < 0.5
    for frame in (written, as_frame("chignolin")):  # no residue was turned inside out
        at = {(a.residue.index, a.name): frame.xyz[0, a.index] for a in frame.topology.atoms}
        for i in (i for i, name in at if name == "CB"):
            arms = [at[i, name] - at[i, "CA"] for name in ("N", "C", "CB")]
            assert np.linalg.det(np.stack(arms)) > 0


def test_a_set_from_several_starts_can_be_made_again(tmp_path):
    settings = {"temperature_K": 340.0, "friction_per_ps": 1.0, "platform": "CPU"}
    short = Dynamics("chignolin-extended", **settings, frame_ps=0.04, length_ns=0.00012, chunk_ns=0.00012)
    folder = tmp_path / "mine"
    folder.mkdir()
    made, _ = simulate(short, 5, tmp_path / "scratch")
    made.save_xtc(str(folder / "trajectory-0.xtc"))
    made[0].save_pdb(str(folder / "topology.pdb"))
    card = {"settings": settings | {"seeds": [5], "starts": ["chignolin-extended", "chignolin"]}}
    (folder / "card.json").write_text(json.dumps(card | {"sizes": {"frames_per_trajectory": 3}}))
    assert difference("mine", tmp_path) <= TOLERANCE_A


# The other two sets repeat on one kind of processor only, see lib/make/pilot.py; `make verify ALL=1` makes them too.
@pytest.mark.parametrize("name", ["ala2", "mini-equilibrium"])
def test_shipped_set_starts_as_this_code_makes_it(shipped_data, name):
    assert difference(name, shipped_data) <= TOLERANCE_A


def test_a_stored_set_goes_on_to_the_same_file(tmp_path):
    """The longer set, made from the stored shorter one with no scratch left, is byte for byte the undisturbed one."""
    half = replace(SHORT, length_ns=0.002)
    sets = {name: tmp_path / name for name in ("whole", "extended")}
    for folder, settings in ((sets["whole"], SHORT), (sets["extended"], half)):
        folder.mkdir()
        trajectory, state = simulate(settings, 3, tmp_path / f"scratch-{folder.name}")
        trajectory[0].save_pdb(str(folder / "topology.pdb"))
        stored.save(folder, 0, trajectory, state, settings, 3)
    begun = stored.load(sets["extended"], 0, SHORT, 3)
    assert len(begun.xyz) == 10
    trajectory, state = simulate(SHORT, 3, tmp_path / "empty", begun)
    assert len(list((tmp_path / "empty").iterdir())) == 2  # the second half only
    stored.save(sets["extended"], 0, trajectory, state, SHORT, 3)
    for name in ("trajectory-0.xtc", "engine-0.npz"):
        assert (sets["extended"] / name).read_bytes() == (sets["whole"] / name).read_bytes()


def test_a_stored_set_of_another_recipe_or_a_longer_one_is_not_taken(tmp_path):
    trajectory, state = simulate(SHORT, 3, tmp_path / "scratch")
    trajectory[0].save_pdb(str(tmp_path / "topology.pdb"))
    stored.save(tmp_path, 0, trajectory, state, SHORT, 3)
    assert stored.load(tmp_path, 0, SHORT, 3).state == state
    assert stored.load(tmp_path, 1, SHORT, 3) is None
    assert stored.load(tmp_path, 0, SHORT, 4) is None
    assert stored.load(tmp_path, 0, replace(SHORT, temperature_K=300.0), 3) is None
    assert stored.load(tmp_path, 0, replace(SHORT, length_ns=0.002), 3) is None


def test_a_stored_trajectory_that_lost_frames_is_refused(tmp_path):
    trajectory, state = simulate(SHORT, 3, tmp_path / "scratch")
    trajectory[0].save_pdb(str(tmp_path / "topology.pdb"))
    stored.save(tmp_path, 0, trajectory, state, SHORT, 3)
    trajectory[:-1].save_xtc(str(tmp_path / "trajectory-0.xtc"))
    with pytest.raises(ValueError, match=r"holds 19 frames, expected the 20 that engine-0\.npz goes on from"):
        stored.load(tmp_path, 0, SHORT, 3)

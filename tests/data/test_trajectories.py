import json

import mdtraj
import numpy as np
import pytest

from lib.data.torsions import core_transitions
from lib.data.trajectories import load_system
from lib.make.dynamics import start_structure


@pytest.fixture
def root(tmp_path):
    """A miniature ala2 set of two trajectories of 30 frames, 5 ps apart."""
    start = start_structure("ala2")
    topology = mdtraj.Topology.from_openmm(start.topology)
    base = np.array(start.positions.value_in_unit(start.positions.unit), np.float32)
    random = np.random.default_rng(0)
    folder = tmp_path / "ala2"
    folder.mkdir()
    for i in range(2):
        xyz = base + random.normal(0, 0.002, (30, *base.shape)).astype(np.float32)
        frames = mdtraj.Trajectory(xyz, topology, time=5.0 * np.arange(1, 31))
        frames.save_xtc(str(folder / f"trajectory-{i}.xtc"))
    frames[0].save_pdb(str(folder / "topology.pdb"))
    (folder / "card.json").write_text(json.dumps({"sizes": {"frames_per_trajectory": 30}}))
    return tmp_path


def test_positions_are_in_angstrom_and_in_topology_order(root):
    system = load_system("ala2", root=root)
    assert system.positions(1).shape == (30, 22, 3)
    assert system.frame_ps == pytest.approx(5.0)
    bonded = np.linalg.norm(system.positions(0)[:, 0] - system.positions(0)[:, 4], axis=-1)  # CH3 to C of ACE
    assert np.all((bonded > 1.3) & (bonded < 1.8))


def test_residues_are_counted_from_zero_whatever_the_selection(root):
    whole = load_system("ala2", root=root)
    heavy = load_system("ala2", "heavy", root=root)
    assert np.unique(whole.residue).tolist() == np.unique(heavy.residue).tolist() == [0, 1, 2]
    assert np.bincount(whole.residue).tolist() == [6, 10, 6]
    assert np.bincount(heavy.residue).tolist() == [3, 5, 2]
    assert 1 not in heavy.z
    assert load_system("ala2", "name CA", root=root).residue.tolist() == [0]


def test_stride(root):
    system = load_system("ala2", root=root)
    np.testing.assert_array_equal(system.positions(0, stride=7), system.positions(0)[::7])


def test_missing_system_lists_what_is_there(root):
    with pytest.raises(FileNotFoundError, match=r"dvc pull data.*systems here: ala2"):
        load_system("chignolin", root=root)


def test_fewer_frames_than_the_card_says(root):
    path = root / "ala2" / "trajectory-1.xtc"
    mdtraj.load(str(path), top=str(root / "ala2" / "topology.pdb"))[:20].save_xtc(str(path))
    with pytest.raises(ValueError, match="20 frames, expected 30"):
        load_system("ala2", root=root)


@pytest.mark.parametrize("share", [0.5, 0.97])
def test_truncated_file(root, share):
    path = root / "ala2" / "trajectory-1.xtc"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"trajectory-1\.xtc"):
        load_system("ala2", root=root).positions(1)


def test_wrong_unit(root):
    path = root / "ala2" / "trajectory-0.xtc"
    frames = mdtraj.load(str(path), top=str(root / "ala2" / "topology.pdb"))
    frames.xyz = frames.xyz / 10  # as if Å had been taken for nm
    frames.save_xtc(str(path))
    with pytest.raises(ValueError, match="look like nm"):
        load_system("ala2", root=root).positions(0)


def test_empty_selection(root):
    with pytest.raises(ValueError, match="'name ZN'"):
        load_system("ala2", "name ZN", root=root)


@pytest.mark.parametrize("suffix", [".dcd", ".trr", ".nc"])
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_other_formats_and_unequal_lengths(root, suffix):
    folder, lengths = root / "ala2", [30, 12]
    whole = [load_system("ala2", root=root).frames(i)[:n] for i, n in enumerate(lengths)]
    for i, frames in enumerate(whole):
        (folder / f"trajectory-{i}.xtc").unlink()
        frames.save(str(folder / f"trajectory-{i}{suffix}"))
    (folder / "card.json").write_text(json.dumps({"sizes": {"frames_per_trajectory": lengths, "frame_ps": 5.0}}))
    system = load_system("ala2", root=root)
    assert system.frame_ps == pytest.approx(5.0)
    assert [len(system.positions(i)) for i in range(2)] == lengths
    np.testing.assert_allclose(system.positions(1), whole[1].xyz * 10, atol=2e-5)
    (folder / "card.json").write_text(json.dumps({"sizes": {"frames_per_trajectory": [30, 13], "frame_ps": 5.0}}))
    with pytest.raises(ValueError, match=r"trajectory-1.* holds 12 frames, expected 13"):
        load_system("ala2", root=root)
    (folder / "card.json").write_text(json.dumps({"sizes": {"frames_per_trajectory": [30], "frame_ps": 5.0}}))
    with pytest.raises(ValueError, match="holds 2 trajectories, expected 1"):
        load_system("ala2", root=root)


def test_a_format_without_times_needs_a_card(root):
    folder = root / "ala2"
    for i in range(2):
        frames = load_system("ala2", root=root).frames(0)
        frames.save(str(folder / f"own-{i}.dcd"))
    for i in range(2):
        (folder / f"trajectory-{i}.xtc").unlink()
        (folder / f"own-{i}.dcd").rename(folder / f"trajectory-{i}.dcd")
    (folder / "card.json").unlink()
    with pytest.raises(ValueError, match=r"trajectory-0\.dcd does not say when its frames were; give .*frame_ps"):
        load_system("ala2", root=root)
    path = folder / "trajectory-0.dcd"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"trajectory-0\.dcd .*it is cut"):
        load_system("ala2", root=root)


def test_trajectories_are_in_the_order_of_their_numbers(root):
    folder = root / "ala2"
    (folder / "trajectory-1.xtc").rename(folder / "trajectory-10.xtc")
    (folder / "trajectory-0.xtc").rename(folder / "trajectory-2.xtc")
    assert [parts[0].name for parts in load_system("ala2", root=root).paths] == [
        "trajectory-2.xtc",
        "trajectory-10.xtc",
    ]


def test_two_topologies_or_two_formats_are_refused(root):
    folder = root / "ala2"
    system = load_system("ala2", root=root)
    system.frames(0).save(str(folder / "trajectory-0.dcd"))
    with pytest.raises(ValueError, match=r"trajectories as \.dcd and \.xtc, expected one format"):
        load_system("ala2", root=root)
    (folder / "topology.mae").write_text("")
    with pytest.raises(ValueError, match=r"topology\.mae and topology\.pdb, expected one topology"):
        load_system("ala2", root=root)


def test_transitions_count_passages_between_cores_only():
    degrees = [-100, -20, 0, -100, 60, 20, 60, 100, -100, -30, 60, 170]
    assert core_transitions(np.radians(degrees)) == 3
    assert core_transitions(np.radians([0, 10, -20])) == 0

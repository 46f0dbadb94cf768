"""Trajectories in the layout of D. E. Shaw Research, which nobody may pass on: made here, read as the real ones are."""

import struct

import mdtraj
import numpy as np
import pytest
from desres import LENGTHS, trajectory, write_run

from lib.data import dcd, systems
from lib.data.frames import Frames
from lib.data.topology import load_topology
from lib.data.trajectories import load_system
from lib.make.dynamics import START


@pytest.fixture
def archive(tmp_path):
    """data/ with one run of three parts, and its 47 frames."""
    frames = trajectory(sum(LENGTHS))
    return tmp_path, write_run(tmp_path / "mine", "ALA2-0-protein", frames), frames


@pytest.mark.parametrize("suffix", [".mae", ".pdb"])
def test_parts_are_one_trajectory_and_the_header_is_not_believed(tmp_path, suffix):
    frames = trajectory(sum(LENGTHS))
    write_run(tmp_path / "mine", "ALA2-0-protein", frames, suffix)
    system = load_system("mine", root=tmp_path)
    assert system.frame_ps == 200.0
    assert [[path.name[-7:] for path in parts] for parts in system.paths] == [["000.dcd", "001.dcd", "002.dcd"]]
    np.testing.assert_allclose(system.positions(0), frames.xyz * 10, atol=1e-5)
    np.testing.assert_array_equal(system.z, [a.element.number for a in frames.topology.atoms])
    assert np.bincount(system.residue).tolist() == [6, 10, 6]
    assert len(load_system("mine", "heavy", tmp_path).selection) == 10


@pytest.mark.parametrize("stride", [1, 3, 7, 20, 46, 60])
def test_a_stride_runs_on_from_part_to_part(archive, stride):
    root, _, frames = archive
    system = load_system("mine", root=root)
    np.testing.assert_allclose(system.positions(0, stride), frames.xyz[::stride] * 10, atol=1e-5)
    whole = system.frames(0, stride)
    np.testing.assert_allclose(whole.xyz, frames.xyz[::stride], atol=1e-6)
    np.testing.assert_allclose(whole.unitcell_lengths, 4.0)
    np.testing.assert_allclose(whole.time, 200.0 * stride * np.arange(len(whole)))
    stream = system.stream(0, stride)
    for start in range(0, len(stream), 5):
        stop = min(start + 5, len(stream))
        np.testing.assert_array_equal(stream.read(start, stop), system.positions(0, stride)[start:stop])


def test_maestro_topology_is_that_of_the_pdb_file(archive):
    _, place, frames = archive
    found = load_topology(place / "ALA2-0-protein.mae")
    assert [(a.name, a.element.symbol, a.residue.name) for a in found.atoms] == [
        (a.name, a.element.symbol, a.residue.name) for a in frames.topology.atoms
    ]
    assert found.n_bonds == frames.topology.n_bonds == 21
    assert len(mdtraj.compute_phi(mdtraj.Trajectory(frames.xyz, found))[0]) == 1


def test_a_topology_given_by_hand_comes_first(archive):
    root, place, frames = archive
    frames[0].save_pdb(str(root / "mine" / "topology.pdb"))
    (place / "ALA2-0-protein.mae").unlink()
    assert load_system("mine", root=root).topology.n_atoms == 22


def test_several_runs_are_several_trajectories(tmp_path):
    for i in range(2):
        write_run(tmp_path / "mine", f"lambda-{i}-protein", trajectory(sum(LENGTHS), seed=i))
    system = load_system("mine", root=tmp_path)
    assert [len(parts) for parts in system.paths] == [3, 3]
    np.testing.assert_allclose(system.positions(1), trajectory(sum(LENGTHS), seed=1).xyz * 10, atol=1e-5)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_missing_part_is_named(archive, lost):
    root, place, _ = archive
    (place / f"ALA2-0-protein-{lost:03d}.dcd").unlink()
    with pytest.raises(ValueError, match=f"ALA2-0-protein-{lost:03d}.dcd is missing, expected parts 000 to 002"):
        load_system("mine", root=root)


HEADER, FRAME = 276, 56 + 3 * (4 * 22 + 8)  # bytes of mdtraj's DCD files of ala2


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("lost", [1, FRAME // 2, 3 * FRAME, LENGTHS[2] * FRAME, LENGTHS[2] * FRAME + 100])
def test_a_cut_part_is_named(archive, part, lost):
    """By a byte, half a frame, three frames, so many as the last holds, and into its header."""
    root, place, _ = archive
    path = place / f"ALA2-0-protein-{part:03d}.dcd"
    content = path.read_bytes()
    assert len(content) == HEADER + LENGTHS[part] * FRAME
    path.write_bytes(content[:-lost])
    with pytest.raises(ValueError, match=rf"ALA2-0-protein-{part:03d}\.dcd .*is cut"):
        load_system("mine", root=root)


def test_a_cut_part_without_a_count_in_its_header_is_named_by_the_others(archive):
    root, place, _ = archive
    for path in place.glob("*.dcd"):
        content = bytearray(path.read_bytes())
        content[8:12] = bytes(4)
        path.write_bytes(content)
    assert len(load_system("mine", root=root).stream(0)) == 47
    path = place / "ALA2-0-protein-001.dcd"
    path.write_bytes(path.read_bytes()[:-FRAME])
    with pytest.raises(ValueError, match=r"001\.dcd holds 19 frames, expected 20 as in ALA2-0-protein-000\.dcd"):
        load_system("mine", root=root)


def test_no_dcd_file_and_no_maestro_file(archive):
    root, place, _ = archive
    (place / "ALA2-0-protein.mae").write_text("hello {")
    with pytest.raises(ValueError, match=r"ALA2-0-protein\.mae cannot be read as a topology"):
        load_system("mine", root=root)
    content = bytearray((place / "ALA2-0-protein-002.dcd").read_bytes())
    content[40:44] = struct.pack("<i", 3)  # three atoms stand still
    (place / "ALA2-0-protein-002.dcd").write_bytes(content)
    with pytest.raises(ValueError, match="3 atoms in its first frame only"):
        dcd.whole_frames(place / "ALA2-0-protein-002.dcd")
    (place / "ALA2-0-protein-002.dcd").write_text("hello" * 100)
    with pytest.raises(ValueError, match="is no DCD file"):
        dcd.whole_frames(place / "ALA2-0-protein-002.dcd")


def test_another_molecule_beside_the_topology(archive):
    root, place, _ = archive
    mdtraj.load(str(START / "pentapeptide.pdb")).save_pdb(str(place / "ALA2-0-protein.pdb"))
    with pytest.raises(ValueError, match=r"-000\.dcd .*94"):
        load_system("mine", root=root)


def test_the_registry_says_how_many_runs_and_parts_there_are(tmp_path):
    known = systems.of_folder("desres-chignolin")
    assert (known.parts, known.frame_ps, known.temperature_K) == (54, 200.0, 340.0)
    write_run(tmp_path / "desres-chignolin", "CLN025-0-protein", trajectory(sum(LENGTHS)))
    with pytest.raises(ValueError, match=r"CLN025-0-protein-003\.dcd is missing, expected parts 000 to 053"):
        load_system("desres-chignolin", root=tmp_path)
    write_run(tmp_path / "desres-villin", "1FME-0-protein", trajectory(sum(LENGTHS)))
    with pytest.raises(FileNotFoundError, match=r"lacks the run 2F4K-0-protein; request DESRES-Trajectory_2F4K"):
        load_system("desres-villin", root=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"request DESRES-Trajectory_2JOF-0-protein at https"):
        load_system("desres-trp-cage", root=tmp_path)


def test_frames_across_parts_name_the_part_that_is_damaged(archive):
    root, place, frames = archive
    frames.xyz[25, 3] = np.nan
    frames[20:40].save_dcd(str(place / "ALA2-0-protein-001.dcd"))
    system = load_system("mine", root=root)
    with pytest.raises(ValueError, match=r"001\.dcd: frame 5 holds NaN"):
        system.positions(0)
    with pytest.raises(FileNotFoundError, match=r"none\.dcd is missing"):
        Frames([*system.paths[0], place / "none.dcd"], system.topology, system.selection)

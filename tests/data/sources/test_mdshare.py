import hashlib

import mdtraj
import numpy as np
import pytest
from support import serving_folder

from lib.data import systems
from lib.data.sources import mdshare
from lib.data.trajectories import load_system
from lib.make.dynamics import start_structure


NAME = "mdshare-pentapeptide"


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A server in mdshare's place with 25 short trajectories under its names, and a catalogue of them."""
    folder = tmp_path / "server"
    folder.mkdir()
    start = start_structure("pentapeptide")
    topology = mdtraj.Topology.from_openmm(start.topology)
    base = np.array(start.positions.value_in_unit(start.positions.unit), np.float32)
    rows = []
    for i in range(25):
        xyz = base + np.random.default_rng(i).normal(0, 0.002, (3, *base.shape)).astype(np.float32)
        frames = mdtraj.Trajectory(xyz, topology, time=100.0 * np.arange(3))
        path = folder / f"pentapeptide-{i:02d}-500ns-impl-solv.xtc"
        frames.save_xtc(str(path))
        rows.append((path.stat().st_size, md5(path)))
    path = folder / "pentapeptide-impl-solv.pdb"
    frames[0].save_pdb(str(path))
    monkeypatch.setitem(mdshare.TOPOLOGY, NAME, (path.name, path.stat().st_size, md5(path)))
    monkeypatch.setitem(mdshare.TRAJECTORIES, NAME, tuple(rows))
    with serving_folder(folder) as address:
        yield folder, address


def test_a_fetched_set_is_a_system(served, tmp_path, monkeypatch):
    folder, url = served
    known = systems.of_folder(NAME)
    short = systems.Trajectories(known.folder, known.origin, known.temperature_K, known.frame_ps, (3,) * 25)
    monkeypatch.setattr(systems, "of_folder", lambda name: short if name == NAME else None)
    assert mdshare.download(NAME, tmp_path, url) == tmp_path / NAME
    system = load_system(NAME, "heavy", tmp_path)
    assert len(system.paths) == 25
    assert system.frame_ps == pytest.approx(known.frame_ps)
    for i in (2, 11):  # in the order of the numbers in their names
        served_file = folder / f"pentapeptide-{i:02d}-500ns-impl-solv.xtc"
        assert md5(system.paths[i][0]) == md5(served_file)


def test_a_set_that_is_cut_short_is_refused_by_its_length(served, tmp_path):
    mdshare.download(NAME, tmp_path, served[1])
    with pytest.raises(ValueError, match=r"trajectory-00\.xtc holds 3 frames, expected 5001"):
        load_system(NAME, root=tmp_path)


def test_another_file_under_the_name_is_refused(served, tmp_path):
    folder, url = served
    path = folder / "pentapeptide-07-500ns-impl-solv.xtc"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="07"):
        mdshare.download(NAME, tmp_path, url)
    assert not (tmp_path / NAME / "trajectory-07.xtc").exists()
    assert (tmp_path / NAME / "trajectory-06.xtc").exists()


def test_unknown_set(capsys):
    assert mdshare.main(["villin"]) == 2
    assert "'villin' here, expected one of mdshare-ala2, mdshare-pentapeptide" in capsys.readouterr().err


def test_the_catalogue_agrees_with_the_registry():
    for name in mdshare.TOPOLOGY:
        rows, known = mdshare.files(name), systems.of_folder(name)
        assert len(rows) == 1 + len(known.frames)
        assert len({md5 for *_, md5 in rows}) == len(rows)
        assert all(len(md5) == 32 and size > 1000 for *_, size, md5 in rows)
    assert mdshare.files("mdshare-ala2")[2][0] == "alanine-dipeptide-1-250ns-nowater.xtc"
    assert mdshare.files(NAME)[10][:2] == ("pentapeptide-09-500ns-impl-solv.xtc", "trajectory-09.xtc")

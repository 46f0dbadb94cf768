from importlib.util import find_spec

import mdtraj
import numpy as np
import pytest

from lib.data import inputs
from lib.data.clock import dcd_header, file_interval, frame_interval
from lib.data.frames import Frames, select
from lib.data.trajectories import load_system


H5 = pytest.param("h5", marks=pytest.mark.skipif(find_spec("tables") is None, reason="PyTables is not installed"))
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


@pytest.fixture
def short(shipped_data):
    """60 frames of ala2, 2 ns apart."""
    frames = load_system("ala2").frames(0, stride=400)
    frames.unitcell_vectors = None
    return frames


def saved(frames, path):
    frames.save(str(path))
    return path


def opened(path, topology, words="all", stride=1):
    return Frames(path, topology, select(topology, words), stride)


@pytest.mark.parametrize("format", ["xtc", "trr", "nc", H5])
def test_the_interval_of_files_with_a_clock(short, tmp_path, format):
    short.time = 5e5 + 20.0 * np.arange(len(short))  # float32 rounds these
    assert file_interval(saved(short, tmp_path / f"a.{format}"), short.topology) == pytest.approx(20)


@pytest.mark.parametrize("format", ["dcd", "xyz", "pdb"])
def test_files_without_a_clock_are_not_believed(short, tmp_path, format):
    path = saved(short, tmp_path / f"a.{format}")
    assert file_interval(path, short.topology) is None
    with pytest.raises(ValueError, match=r"does not say how far apart its frames are.*give frame_ps"):
        frame_interval([path], short.topology)
    assert frame_interval([path], short.topology, 7.0) == (7.0, [])
    assert (dcd_header(path) is None) == (format != "dcd")


def test_the_header_of_a_dcd_is_quoted_and_not_used(short, tmp_path):
    path = saved(short, tmp_path / "a.dcd")
    with pytest.raises(ValueError, match=f"its header says {dcd_header(path):.4g} ps"):
        frame_interval([path], short.topology)


def test_clocks_that_stop_jump_or_disagree(short, tmp_path):
    regular = saved(short, tmp_path / "a.xtc")
    short.time = np.concatenate([np.arange(30), np.arange(29, 59)]).astype(float)
    with pytest.raises(ValueError, match="times step by 0 to 1 ps"):
        file_interval(saved(short, tmp_path / "doubled.xtc"), short.topology)
    short.time = np.arange(60.0)
    short.time[55:] += 100
    with pytest.raises(ValueError, match=r"60 frames 1 ps apart span 159 ps .* frames are missing or doubled"):
        file_interval(saved(short, tmp_path / "gap.xtc"), short.topology)
    short.time = 10.0 * np.arange(60)
    finer = saved(short, tmp_path / "b.xtc")
    with pytest.raises(ValueError, match=r"2000 ps apart in a.xtc and 10 ps in b.xtc"):
        frame_interval([regular, finer], short.topology)
    step, notes = frame_interval([regular, finer], short.topology, 2000.0)
    assert step == 2000
    assert notes == ["frame_ps = 2000 ps is used, but b.xtc says 10 ps: one of them is wrong."]
    short.time = np.arange(60.0)
    step, notes = frame_interval([saved(short, tmp_path / "index.xtc")], short.topology)
    assert "times count 1 ps a frame" in notes[0]
    with pytest.raises(ValueError, match="frame_ps is -5"):
        frame_interval([regular], short.topology, -5)


def test_files_are_found_by_wildcard_once(short, tmp_path, monkeypatch):
    for name in ("b-2.dcd", "b-1.dcd", "a.dcd"):
        saved(short[:2], tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert [p.name for p in inputs.find(["b-*.dcd", "a.dcd"], "trajectories")] == ["b-1.dcd", "b-2.dcd", "a.dcd"]
    assert inputs.find("data/ala2/topology.pdb", "topology")[0].exists()  # from the repository
    with pytest.raises(FileNotFoundError, match=r"nothing matches 'c-\*.dcd', neither in"):
        inputs.find("c-*.dcd", "trajectories")
    with pytest.raises(ValueError, match=r"a.dcd comes twice"):
        inputs.find(["a.dcd", "*.dcd"], "trajectories")
    with pytest.raises(ValueError, match="is empty"):
        inputs.find([], "trajectories")


def test_good_input_is_passed_on(short, tmp_path):
    short.time = 20.0 * np.arange(60)
    frames = [opened(saved(short[:n], tmp_path / f"{n}.xtc"), short.topology, stride=3) for n in (60, 31)]
    mine = inputs.check(frames)
    assert (mine.frame_ps, mine.lengths, mine.notes) == (20.0, [20, 11], [])


def test_a_cut_molecule_and_another_atom_order_are_refused(short, tmp_path):
    apart = short[:3]
    apart.xyz[1, 10:] += 3.0
    with pytest.raises(ValueError, match=r"the bond .* Å long in frame 1, .* cut by the periodic box"):
        inputs.check([opened(saved(apart, tmp_path / "cut.xtc"), short.topology)], 1.0)
    mixed = short[:3]
    mixed.xyz[:] = mixed.xyz[:, ::-1]
    with pytest.raises(ValueError, match="the topology is another one"):
        inputs.check([opened(saved(mixed, tmp_path / "mixed.xtc"), short.topology)], 1.0)


def test_unknown_elements_and_water_are_named(short, tmp_path):
    topology = short.topology.copy()
    path = saved(short[:3], tmp_path / "a.xtc")
    topology.atom(4).element = mdtraj.element.virtual
    with pytest.raises(ValueError, match=r"no element for ACE1-C, expected one"):
        inputs.check([opened(path, topology)], 1.0)
    topology = short.topology.copy()
    for residue in list(topology.residues)[2:]:
        residue.name = "HOH"
    assert "holds 1 water molecules" in inputs.check([opened(path, topology)]).notes[0]

import mdtraj
import numpy as np
import pytest

from lib.data.frames import Frames, select
from lib.data.trajectories import load_system


SELECTION = np.array([1, 4, 5, 8])


@pytest.fixture
def short(shipped_data):
    """50 frames of ala2."""
    frames = load_system("ala2").frames(0, stride=480)
    frames.unitcell_vectors = None
    return frames


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("format", ["xtc", "trr", "dcd", "nc", "xyz", "pdb", "gro"])
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_blocks_of_every_format_are_the_loaded_frames(short, format, stride, tmp_path):
    path = tmp_path / f"a.{format}"
    short.save(str(path))
    whole = mdtraj.load(str(path), top=short.topology, stride=stride).xyz[:, SELECTION] * np.float32(10)
    frames = Frames(path, short.topology, SELECTION, stride)
    assert len(frames) == len(whole)
    for start, stop in ((0, 5), (3, 4), (9, 9), (7, len(whole)), (0, len(whole))):
        np.testing.assert_allclose(frames.read(start, stop), whole[start:stop], atol=2e-5)


def test_selections(short):
    assert len(select(short.topology, "all")) == 22
    assert len(select(short.topology, "heavy")) == 10
    assert len(select(short.topology, "name CA")) == 1
    with pytest.raises(ValueError, match="matches no atom"):
        select(short.topology, "resname TRP")
    with pytest.raises(ValueError, match="not in mdtraj's language"):
        select(short.topology, "name is CA or")


def test_bad_trajectories(short, shipped_data, tmp_path):
    def problem(path, **options):
        try:
            frames = Frames(path, short.topology, SELECTION, **options)
            frames.read(0, len(frames))
        except (ValueError, FileNotFoundError) as found:
            return str(found)
        return "none"

    assert "is missing" in problem(tmp_path / "none.xtc")
    (tmp_path / "text.xtc").write_text("hello")
    assert "cannot be read as a trajectory of 22 atoms" in problem(tmp_path / "text.xtc")
    assert "(1, 94, 3)" in problem(shipped_data / "pentapeptide" / "trajectory-0.xtc")
    (tmp_path / "cut.xtc").write_bytes((shipped_data / "ala2" / "trajectory-0.xtc").read_bytes()[:100_000])
    assert "cannot be read" in problem(tmp_path / "cut.xtc")
    assert "stride is 0" in problem(shipped_data / "ala2" / "trajectory-0.xtc", stride=0)
    short.xyz[7, 3] = np.nan
    short.xyz[30, 4] = np.nan
    short.save(str(tmp_path / "nan.dcd"))
    assert "frame 30 holds NaN" in problem(tmp_path / "nan.dcd")
    short.xyz[:] = load_system("ala2").frames(0, stride=480).xyz / 10
    short.save(str(tmp_path / "nm.dcd"))
    assert "look like nm" in problem(tmp_path / "nm.dcd")

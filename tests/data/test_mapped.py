import h5py
import numpy as np
import pytest

from lib.data.mapped import datasets, open_mapped
from lib.data.molecules import load, save


def plain(source, target):
    """The packed file without compression."""
    with h5py.File(source) as a, h5py.File(target, "w") as b:
        for name, values in datasets(a).items():
            b.create_dataset(name, data=values[:])


def equal(mapped, molecules):
    for name in ("z", "pos", "offsets", "split"):
        np.testing.assert_array_equal(getattr(mapped, name), getattr(molecules, name))
    for group in ("molecule", "atom"):
        assert getattr(mapped, group).keys() == getattr(molecules, group).keys()
        for key, values in getattr(molecules, group).items():
            np.testing.assert_array_equal(getattr(mapped, group)[key], values)


def test_compressed_file_is_copied_once_and_mapped(molecules, tmp_path):
    save(molecules, tmp_path / "set.h5")
    mapped = open_mapped(tmp_path / "set.h5", tmp_path / "scratch")
    assert isinstance(mapped.pos, np.memmap)
    equal(mapped, load(tmp_path / "set.h5"))
    (copy,) = (tmp_path / "scratch").iterdir()
    before = copy.stat().st_mtime_ns
    equal(open_mapped(tmp_path / "set.h5", tmp_path / "scratch"), molecules)
    assert copy.stat().st_mtime_ns == before


def test_plain_file_is_mapped_where_it_lies(molecules, tmp_path):
    save(molecules, tmp_path / "set.h5")
    plain(tmp_path / "set.h5", tmp_path / "plain.h5")
    mapped = open_mapped(tmp_path / "plain.h5", tmp_path / "scratch")
    assert mapped.pos.filename.name == "plain.h5"
    assert not (tmp_path / "scratch").exists()
    equal(mapped, molecules)


def test_bad_files(molecules, tmp_path):
    with pytest.raises(FileNotFoundError, match="is missing"):
        open_mapped(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(ValueError, match="not a complete packed"):
        open_mapped(tmp_path / "text.h5", tmp_path)
    molecules.pos /= 10
    save(molecules, tmp_path / "nm.h5")
    with pytest.raises(ValueError, match="look like nm"):
        open_mapped(tmp_path / "nm.h5", tmp_path)

import numpy as np
import pytest

from lib.data.molecules import SPLITS, concatenate, load, save


def test_round_trip_keeps_every_field(molecules, tmp_path):
    save(molecules, tmp_path / "m.h5")
    again = load(tmp_path / "m.h5")
    for name in ("z", "pos", "offsets", "split", "smiles"):
        np.testing.assert_array_equal(getattr(again, name), getattr(molecules, name))
    np.testing.assert_array_equal(again.molecule["energy_eV"], molecules.molecule["energy_eV"])
    np.testing.assert_array_equal(again.atom["forces_eV_A"], molecules.atom["forces_eV_A"])


def test_same_bytes_for_same_set(molecules, tmp_path):
    save(molecules, tmp_path / "a.h5")
    save(molecules, tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_take_against_a_plain_loop(molecules):
    chosen = np.array([7, 0, 39, 7])
    taken = molecules.take(chosen)
    for k, i in enumerate(chosen):
        own = slice(molecules.offsets[i], molecules.offsets[i + 1])
        new = slice(taken.offsets[k], taken.offsets[k + 1])
        np.testing.assert_array_equal(taken.pos[new], molecules.pos[own])
        np.testing.assert_array_equal(taken.atom["forces_eV_A"][new], molecules.atom["forces_eV_A"][own])
        assert taken.smiles[k] == molecules.smiles[i]


def test_concatenate_is_the_inverse_of_take(molecules):
    joined = concatenate([molecules.take(np.arange(15)), molecules.take(np.arange(15, 40))])
    np.testing.assert_array_equal(joined.pos, molecules.pos)
    np.testing.assert_array_equal(joined.offsets, molecules.offsets)


def test_splits_cover_every_molecule_once(molecules):
    rows = np.concatenate([molecules.of_split(name) for name in SPLITS])
    np.testing.assert_array_equal(np.sort(rows), np.arange(len(molecules)))


def test_missing_file_names_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match="dvc pull data"):
        load(tmp_path / "none.h5")


def test_truncated_file_is_refused(molecules, tmp_path):
    save(molecules, tmp_path / "m.h5")
    content = (tmp_path / "m.h5").read_bytes()
    (tmp_path / "m.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="not a complete packed molecule set"):
        load(tmp_path / "m.h5")


def test_nanometres_are_refused(molecules, tmp_path):
    molecules.pos = molecules.pos / 10
    save(molecules, tmp_path / "m.h5")
    with pytest.raises(ValueError, match="look like nm"):
        load(tmp_path / "m.h5")


def test_unknown_split_is_named(molecules):
    with pytest.raises(ValueError, match="'valid'"):
        molecules.of_split("valid")


def test_interrupted_save_leaves_no_file(molecules, tmp_path, monkeypatch):
    molecules.molecule["energy_eV"] = np.array(["not", "a", "number"] * 13 + ["x"], dtype=object)
    with pytest.raises((TypeError, ValueError)):
        save(molecules, tmp_path / "m.h5")
    assert not (tmp_path / "m.h5").exists()

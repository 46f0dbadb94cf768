"""The packed set of protein domains."""

from dataclasses import replace

import numpy as np
import pytest

from lib.data.domains import ATOMS, RESIDUES, join, load, ranges, save


def same(one, other):
    for name, values in vars(one).items():
        found = getattr(other, name)
        if name == "pos":
            np.testing.assert_allclose(found, values, atol=6e-4)
        else:
            np.testing.assert_array_equal(found, values, err_msg=name)


def test_a_file_gives_back_what_went_in(domains, tmp_path):
    save(domains, tmp_path / "d.h5")
    same(domains, load(tmp_path / "d.h5"))
    assert [p.name for p in tmp_path.iterdir()] == ["d.h5"]


def test_taking_apart_and_joining_gives_the_same_set(domains):
    same(domains, join([domains.take(np.array([i])) for i in range(len(domains))]))


def test_take_keeps_atoms_with_their_residues(domains):
    order = np.array([5, 0, 3])
    taken = domains.take(order)
    assert list(taken.name) == list(domains.name[order])
    for i, j in enumerate(order):
        own = slice(*domains.residues[j : j + 2])
        there = slice(*taken.residues[i : i + 2])
        np.testing.assert_array_equal(taken.kind[there], domains.kind[own])
        np.testing.assert_array_equal(taken.named("CA", "CB")[there], domains.named("CA", "CB")[own])


def test_named_atoms(domains):
    found = domains.named("CA", "CB")
    assert not np.isnan(found[:, 0]).any()
    assert (np.isnan(found[:, 1, 0]) == (domains.kind == RESIDUES.index("GLY"))).all()
    row = int(np.flatnonzero(domains.atom == ATOMS.index("CA"))[3])
    np.testing.assert_array_equal(found[3, 0], domains.pos[row])


def test_ranges():
    assert ranges(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
    assert ranges(np.array([], int), np.array([], int)).tolist() == []


class TestBadInput:
    def test_damaged_sets(self, domains):
        with pytest.raises(ValueError, match="expected"):
            replace(domains, kind=domains.kind[:-1])
        with pytest.raises(ValueError, match="labels reach"):
            replace(domains, label=domains.label + 2)
        with pytest.raises(ValueError, match="unknown split"):
            domains.of_split("test")
        with pytest.raises(ValueError, match="different classes"):
            join([domains, replace(domains, classes=np.array(["a", "b"]))])

    def test_files(self, domains, tmp_path):
        with pytest.raises(FileNotFoundError, match="is missing"):
            load(tmp_path / "d.h5")
        (tmp_path / "d.h5").write_bytes(b"no")
        with pytest.raises(ValueError, match="not a complete"):
            load(tmp_path / "d.h5")
        save(replace(domains, pos=domains.pos / 10), tmp_path / "nm.h5")
        with pytest.raises(ValueError, match="nm"):
            load(tmp_path / "nm.h5")

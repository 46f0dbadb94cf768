"""The lists of HomologyTAPE, the three readers, and the road from an archive to a packed set."""

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from support import serving_folder

from lib.data.domains import ATOMS, RESIDUES, SPLITS, load
from lib.data.sources import homologytape
from lib.data.sources.lists import COUNTS, read_lists
from lib.data.sources.structures import read_calpha, read_ieconv, read_pdb
from lib.measure.classifiers import majority
from lib.paths import ROOT


OUTSIDE = ROOT.parent / "shared" / "data"
LINE = "ATOM  {:5d} {:<4s}{}{:3s} A{:4d}    {:8.3f}{:8.3f}{:8.3f}  1.00  0.00           {:1s}\n"
LETTER = dict(zip(RESIDUES, "ARNDCQEGHILKMFPSTWYV"))


def chain(seed, residues=6):
    """Names of residues, and N, CA, C, CB (residue, 4, 3) Å of an extended chain."""
    random = np.random.default_rng(seed)
    base = np.array([[0, 0, 0], [1.46, 0, 0], [2.0, 1.4, 0], [2.0, -1.2, 0.6]])
    steps = np.arange(residues)[:, None, None] * np.array([3.3, 0.4, 0])
    return [RESIDUES[i] for i in random.integers(0, 20, residues)], base + steps + random.normal(
        0, 0.02, (residues, 4, 3)
    )


NAMES = ("N", "CA", "C", "CB")
TWICE = {"1fc2_C", "1ibr_A-9-177", "1ofu_X-43-161", "1qfw_I", "1qfw_M", "1us7_B-148-348"}


def write_hdf5(path, kinds, atoms):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["atom_pos"] = atoms.reshape(1, -1, 3).astype(np.float32)
        file["atom_names"] = np.array([n.encode() for _ in kinds for n in NAMES])
        file["atom_residue_names"] = np.array([k.encode() for k in kinds for _ in NAMES])
        file["atom_amino_id"] = np.repeat(np.arange(len(kinds)), len(NAMES))


def write_pdb(path, kinds, atoms, alternative=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for i, kind in enumerate(kinds):
        for j, name in enumerate(NAMES):
            rows.append(
                LINE.format(4 * i + j, f" {name}", "A" if alternative else " ", kind, i + 1, *atoms[i, j], name[0])
            )
            if alternative:
                rows.append(LINE.format(4 * i + j, f" {name}", "B", kind, i + 1, *(atoms[i, j] + 0.5), name[0]))
    rows.append("ENDMDL\n" + LINE.format(99, " CA", " ", "GLY", 99, 0, 0, 0, "C"))
    path.write_text("".join(rows))


def write_calpha(folder, split, named):
    place = folder / "coordinates" / split
    place.mkdir(parents=True, exist_ok=True)
    text = ""
    for name, (kinds, atoms) in named.items():
        np.save(place / f"{name}.npy", atoms[:, 1])
        text += f">{name}\n{''.join(LETTER[k] for k in kinds)}\n"
    (folder / f"{split}.fasta").write_text(text)


def miniature(folder: Path):
    """Lists and structures in the true formats: two folds, two domains a list."""
    (folder / "lists").mkdir(parents=True)
    (folder / "lists" / "class_map.txt").write_text("a.1\t0\nb.1\t1\n")
    made = {}
    for i, split in enumerate(SPLITS):
        rows = []
        for j, fold in enumerate(("a.1", "b.1")):
            name = f"d{i}{j}xya_"
            made.setdefault(split, {})[name] = chain(10 * i + j, 5 + i + j)
            rows.append("\t".join([name, "77", fold, fold] if "fold" in split else [name, fold, fold]))
        (folder / "lists" / f"{split}.txt").write_text("\n".join(rows) + "\n")
    for split, named in made.items():
        for name, (kinds, atoms) in named.items():
            write_hdf5(folder / "hdf5" / "fold" / split / f"{name}.hdf5", kinds, atoms)
            write_pdb(folder / "pdb" / "pdbstyle-1.75" / name[2:4] / f"{name}.ent", kinds, atoms)
        write_calpha(folder / "calpha" / "fold", split, named)
    return made


@pytest.fixture(scope="module")
def lists():
    return read_lists(OUTSIDE / "homologytape")


@pytest.mark.skipif(not OUTSIDE.exists(), reason="the published lists are not at ../shared/data")
class TestPublishedLists:
    def test_have_the_published_counts(self, lists):
        assert lists.counts() == COUNTS
        assert lists.classes[0] == "a.1"
        assert len(set(lists.name)) == sum(COUNTS.values()) - COUNTS["classes"]

    def test_majority_baselines(self, lists):
        found = [round(majority(lists.labels("training"), lists.labels(s)), 2) for s in SPLITS[2:]]
        assert found == [2.79, 1.59, 14.23]

    def test_every_fold_of_a_test_was_trained_on(self, lists):
        for split in SPLITS[2:]:
            assert set(lists.labels(split)) <= set(lists.labels("training"))

    def test_real_domains_are_read(self):
        """Sizes as counted by whoever made the table of these domains; six of them name one atom twice."""
        folder = OUTSIDE / "scop_domains"
        rows = [line.split("\t") for line in (folder / "labels.tsv").read_text().splitlines()]
        at = {name: rows[0].index(name) for name in ("name", "n_res", "n_heavy")}
        for row in rows[1:]:
            found = read_pdb(folder / "pdb" / f"{row[at['name']]}.pdb")
            assert len(found.kind) == int(row[at["n_res"]]), row[0]
            assert (found.z > 1).sum() == int(row[at["n_heavy"]]) - (row[0] in TWICE), row[0]


def test_three_readers_agree(tmp_path):
    kinds, atoms = chain(0)
    write_hdf5(tmp_path / "a.hdf5", kinds, atoms)
    write_pdb(tmp_path / "a.ent", kinds, atoms, alternative=True)
    np.save(tmp_path / "a.npy", atoms[:, 1])
    one, two = read_ieconv(tmp_path / "a.hdf5"), read_pdb(tmp_path / "a.ent")
    three = read_calpha(tmp_path / "a.npy", "".join(LETTER[k] for k in kinds))
    for found in (one, two, three):
        assert [RESIDUES[k] for k in found.kind] == kinds
        assert (found.segment == 0).all()
        np.testing.assert_allclose(found.pos[found.atom == ATOMS.index("CA")], atoms[:, 1], atol=1e-3)
    np.testing.assert_allclose(one.pos, two.pos, atol=1e-3)
    np.testing.assert_array_equal(one.z, two.z)
    assert one.z.tolist() == [7, 6, 6, 6] * 6


def test_a_gap_begins_a_segment(tmp_path):
    kinds, atoms = chain(0)
    atoms[3:] += 20
    write_pdb(tmp_path / "a.ent", kinds, atoms)
    assert read_pdb(tmp_path / "a.ent").segment.tolist() == [0, 0, 0, 1, 1, 1]
    np.save(tmp_path / "a.npy", atoms[:, 1])
    assert read_calpha(tmp_path / "a.npy", "GGGGGG").segment.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("kind", homologytape.DISTRIBUTIONS)
def test_fetch_to_packed_set(tmp_path, monkeypatch, kind):
    """From archives as published, at another address, to the packed file."""
    made = miniature(tmp_path / "served")
    given = homologytape.DISTRIBUTIONS[kind]
    form = "gztar" if given.archive.endswith(".tgz") else "zip"
    archive = shutil.make_archive(str(tmp_path / "archive"), form, tmp_path / "served" / kind)
    with serving_folder(tmp_path) as root:
        swapped = replace(given, url=f"{root}{Path(archive).name}", md5=None)
        monkeypatch.setitem(homologytape.DISTRIBUTIONS, kind, swapped)
        monkeypatch.setattr(homologytape, "LISTS", f"{root}served/lists/")
        domains = load(homologytape.build(kind, tmp_path / "public", published=False))
    assert list(domains.name) == [name for named in made.values() for name in named]
    assert domains.label.tolist() == [0, 1] * 5
    ca = domains.named("CA")[:, 0]
    expected = np.concatenate([atoms[:, 1] for named in made.values() for _, atoms in named.values()])
    np.testing.assert_allclose(ca, expected, atol=1e-3)
    assert np.isnan(domains.named("CB")).all() == (kind == "calpha")


class TestBadInput:
    def test_lists(self, tmp_path):
        miniature(tmp_path)
        lists = tmp_path / "lists"
        with pytest.raises(ValueError, match="expected"):
            read_lists(lists)
        (lists / "test_fold.txt").write_text("d00xya_\t3\ta.1\ta.1\n")
        with pytest.raises(ValueError, match="in training and in test_fold"):
            read_lists(lists, published=False)
        (lists / "test_fold.txt").write_text("dnew\t3\tz.9\n")
        with pytest.raises(ValueError, match=r"z\.9"):
            read_lists(lists, published=False)
        (lists / "test_fold.txt").unlink()
        with pytest.raises(FileNotFoundError, match="test_fold"):
            read_lists(lists, published=False)

    def test_missing_structures_are_counted(self, tmp_path):
        miniature(tmp_path)
        lists = read_lists(tmp_path / "lists", published=False)
        readers = homologytape.hdf5_files(tmp_path / "hdf5")
        readers.pop("d00xya_")
        with pytest.raises(ValueError, match="1 of 10 listed domains have no structure, for example d00xya_"):
            homologytape.pack(lists, readers)
        assert len(homologytape.pack(lists, readers, missing=0.1)) == 9

    def test_foreign_files(self, tmp_path):
        (tmp_path / "a.hdf5").write_text("no")
        with pytest.raises(ValueError, match="not a domain of IEConv"):
            read_ieconv(tmp_path / "a.hdf5")
        (tmp_path / "a.ent").write_text("HEADER\n")
        with pytest.raises(ValueError, match="no residue with a CA"):
            read_pdb(tmp_path / "a.ent")
        np.save(tmp_path / "a.npy", np.zeros((3, 3)))
        with pytest.raises(ValueError, match=r"expected \(4, 3\)"):
            read_calpha(tmp_path / "a.npy", "GGGG")
        with pytest.raises(ValueError, match="not one of"):
            homologytape.download("xml", tmp_path)

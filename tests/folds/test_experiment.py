"""The comparison on known domains, and the whole road of HomologyTAPE on a miniature in its true format."""

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from support import serving_folder

from lib.data.domains import ATOMS, OTHER, RESIDUES, SPLITS, TESTS, load
from lib.data.sources import homologytape
from lib.folds import experiment
from lib.folds.controls import ARMS
from lib.folds.experiment import Host, compare, right, slot, trial, voted
from lib.folds.gains import disagreement, gains
from lib.folds.windows import Windows
from lib.models import EncoderConfig, random_encoder
from lib.train.folds import Recipe


TINY = Host("pronet", "backbone", hidden=8, blocks=1, dropout=0.0, adapter=4)


@pytest.fixture(scope="module")
def encoder():
    return random_encoder(EncoderConfig(layers=1, hidden=8, rbf=8, heads=2, cutoff=5.0), 7)


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Tokens of this test go to a folder of its own."""
    real = experiment.tokens
    monkeypatch.setattr(experiment, "tokens", lambda e, d, w: real(e, d, w, tmp_path / "windows"))
    return tmp_path


def write_published(domains, folder: Path) -> None:
    """IEConv's lists and HDF5 files for these domains: heavy atoms only, the class in the last column."""
    (folder / "lists").mkdir(parents=True)
    named = [f"{fold}\t{i}" for i, fold in enumerate(("a.1", "b.1"))]
    (folder / "lists" / "class_map.txt").write_text("\n".join(named) + "\n")
    for i, split in enumerate(SPLITS):
        lines = []
        for j in (0, 3):
            name, one = f"d{i}{j}xxa_", domains.take(np.array([j]))
            heavy = one.atom != OTHER
            path = folder / "fold3d" / split / f"{name}.hdf5"
            path.parent.mkdir(parents=True, exist_ok=True)
            with h5py.File(path, "w") as file:
                owner = one.residue[heavy]
                file["atom_pos"] = one.pos[heavy][None] + np.float32(0.03 * i)
                file["atom_names"] = np.array([ATOMS[a].encode() for a in one.atom[heavy]])
                file["atom_residue_names"] = np.array([RESIDUES[k].encode() for k in one.kind[owner]])
                file["atom_amino_id"] = owner
            fold = "ab"[j // 3] + ".1"
            lines.append("\t".join([name, "40", fold, fold] if split in TESTS[:2] else [name, fold, fold]))
        (folder / "lists" / f"{split}.txt").write_text("\n".join(lines) + "\n")


def test_homologytape_from_archive_to_test_table(domains, encoder, scratch, monkeypatch):
    """fetch -> pack -> windows -> train -> test table, with every arm."""
    write_published(domains, scratch / "served")
    archive = shutil.make_archive(str(scratch / "fold3d"), "zip", scratch / "served" / "fold3d")
    given = homologytape.DISTRIBUTIONS["hdf5"]
    with serving_folder(scratch) as root:
        swapped = replace(given, url=f"{root}{Path(archive).name}", md5=None)
        monkeypatch.setitem(homologytape.DISTRIBUTIONS, "hdf5", swapped)
        monkeypatch.setattr(homologytape, "LISTS", f"{root}served/lists/")
        packed = load(homologytape.build("hdf5", scratch / "public", published=False))
    assert not (packed.z == 1).any()

    told = []
    found = compare(
        packed, list(ARMS), encoder, Windows(1), TINY, Recipe(8, 1e-2), [0, 1], told.append, folder=scratch / "hosts"
    )
    assert len(told) == len(ARMS)
    table = {arm: {s: right(each, packed, s) for s in TESTS} for arm, each in found.items()}
    for by_split in table.values():
        assert {got.shape for got in by_split.values()} == {(2, 2)}
    assert np.mean([got.mean() for got in table["none"].values()]) >= 0.75, "35 residues against 5, half by chance"
    over = gains(table, "pretrained", 50)
    assert set(over) == set(ARMS) - {"pretrained"}
    assert set(over["none"]) == {*TESTS, "all"}
    assert len({o.parameters for each in found.values() for o in each}) == 1, "arms differ in their parameters"


class TestSlot:
    def test_arms_hold_what_they_say(self, domains, encoder, scratch):
        at = {arm: slot(arm, domains, encoder, Windows(1), 0) for arm in ARMS}
        assert at.pop("none") is None
        assert {t.shape for t in at.values()} == {(len(domains.kind), 16)}
        np.testing.assert_array_equal(np.sort(at["permuted"], 0), np.sort(at["pretrained"], 0))
        again = slot("pretrained", domains, encoder, Windows(1), 5)
        np.testing.assert_array_equal(again, at["pretrained"])
        for arm in ("random", "permuted"):
            assert not np.array_equal(slot(arm, domains, encoder, Windows(1), 5), at[arm]), "drawn anew for each seed"

    def test_unknown_names(self, domains, encoder):
        with pytest.raises(ValueError, match="arm 'all' is not one of"):
            slot("all", domains, encoder, Windows(1), 0)
        with pytest.raises(ValueError, match="host 'gvp' is not one of"):
            Host("gvp").build(2, 8, 0)


class TestTrial:
    def test_is_read_again_and_depends_on_seed_and_slot(self, domains, tmp_path, monkeypatch):
        filled = np.random.default_rng(0).normal(size=(len(domains.kind), 16)).astype(np.float16)
        run = lambda filled, seed: trial(domains, filled, 16, TINY, Recipe(2), seed, tmp_path)  # noqa: E731
        first = run(filled, 0)
        others = [run(filled, 1), run(None, 0)]
        for other in others:
            assert not np.array_equal(first.logits["test_fold"], other.logits["test_fold"])
        monkeypatch.setattr(experiment, "proteins", None)  # nothing is trained again
        again = run(filled, 0)
        np.testing.assert_array_equal(first.logits["test_fold"], again.logits["test_fold"])
        assert again.history == first.history

    def test_the_tests_have_no_part_in_training(self, domains, tmp_path):
        pos = domains.pos.copy()
        chosen = np.isin(domains.domain[domains.residue], domains.of_split("test_fold"))
        pos[chosen] *= 1.1
        one, two = (
            trial(d, None, 16, TINY, Recipe(3), 0, tmp_path / str(i))
            for i, d in enumerate((domains, replace(domains, pos=pos)))
        )
        assert one.history == two.history
        assert not np.array_equal(one.logits["test_fold"], two.logits["test_fold"])


def test_votes_are_of_mean_probabilities(domains):
    outcome = lambda values: experiment.Outcome([], 0.0, 1, {"test_fold": np.array(values)})  # noqa: E731
    sure, unsure = outcome([[9.0, 0], [0, 9.0]]), outcome([[0, 1.0], [1.0, 0]])
    np.testing.assert_array_equal(domains.label[domains.of_split("test_fold")], [0, 1])
    assert right([sure, unsure], domains, "test_fold").tolist() == [[True, True], [False, False]]
    assert voted([sure, unsure], domains, "test_fold").tolist() == [True, True]
    assert disagreement(*(right([o], domains, "test_fold") for o in (sure, unsure))) == 1.0


def test_hosts_start_from_their_seed():
    one, two, other = (Host(hidden=8, blocks=1).build(3, 16, seed) for seed in (0, 0, 1))
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), two.parameters()))
    assert not torch.equal(one.embedding.weight, other.embedding.weight)

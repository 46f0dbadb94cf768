import numpy as np
import pytest
import torch

from lib.data.batches import shuffled
from lib.data.loader import Loader
from lib.data.mapped import open_mapped
from lib.data.molecules import save


def rows(batch):
    """The molecules of a batch as comparable tuples."""
    return [tuple(batch.pos[batch.batch == i].ravel().tolist()) for i in range(len(batch.molecule["energy_eV"]))]


@pytest.fixture
def loader(molecules):
    return Loader(molecules, np.arange(len(molecules)), batch_size=7, seed=5)


def test_batch_against_a_plain_loop(molecules, loader):
    picked = torch.tensor([3, 11, 0])
    batch = loader.batch(picked)
    assert batch.batch.tolist() == [k for k, i in enumerate(picked) for _ in range(molecules.sizes[i])]
    for k, i in enumerate(picked.tolist()):
        own = slice(molecules.offsets[i], molecules.offsets[i + 1])
        assert torch.equal(batch.pos[batch.batch == k], torch.from_numpy(molecules.pos[own]))
        assert batch.z[batch.batch == k].tolist() == molecules.z[own].tolist()
        assert torch.equal(
            batch.atom["forces_eV_A"][batch.batch == k], torch.from_numpy(molecules.atom["forces_eV_A"][own])
        )


def test_every_molecule_exactly_once_an_epoch(molecules, loader):
    seen = sorted(row for batch in loader.epoch(1) for row in rows(batch))
    assert seen == sorted(row for batch in loader.in_order() for row in rows(batch))
    assert len(list(loader.epoch(1))) == len(loader) == 6


def test_order_depends_on_seed_and_epoch_alone(molecules, loader):
    first = [rows(b) for b in loader.epoch(1)]
    twin = Loader(molecules, np.arange(len(molecules)), 7, seed=5)
    other = Loader(molecules, np.arange(len(molecules)), 7, seed=6)
    assert first == [rows(b) for b in twin.epoch(1)]
    assert first != [rows(b) for b in loader.epoch(2)]
    assert first != [rows(b) for b in other.epoch(1)]


def test_resumed_epoch_sees_the_rest(loader):
    whole = [rows(b) for b in loader.epoch(4)]
    assert [rows(b) for b in loader.epoch(4, start=2)] == whole[2:]


@pytest.mark.parametrize("budget", [1, 9, 20, 1000])
def test_budget_of_atoms(molecules, budget):
    """Each molecule once, no batch above the budget but a larger molecule alone, the same number every epoch."""
    loader = Loader(molecules, np.arange(len(molecules)), atoms_per_batch=budget, seed=2)
    for epoch in (1, 2):
        batches = list(loader.epoch(epoch))
        assert len(batches) == len(loader)
        assert all(len(b.z) <= budget or int(b.batch.max()) == 0 for b in batches)
        seen = sorted(row for batch in batches for row in rows(batch))
        assert seen == sorted(row for batch in loader.in_order() for row in rows(batch))
    assert budget == 1000 or [rows(b) for b in loader.epoch(1)] != [rows(b) for b in loader.epoch(2)]
    assert [rows(b) for b in loader.epoch(2, start=1)] == [rows(b) for b in loader.epoch(2)][1:]


def test_molecules_of_a_batch_have_about_one_size(molecules):
    loader = Loader(molecules, np.arange(len(molecules)), atoms_per_batch=20)
    spread = [np.ptp(np.bincount(b.batch)) for b in loader.epoch(1)]
    assert max(spread) <= 1 < np.ptp(molecules.sizes)


@pytest.mark.parametrize("options", [{"batch_size": 7}, {"atoms_per_batch": 30}], ids=str)
@pytest.mark.parametrize("atoms_at_once", [1, 40, 10**6])
def test_views_of_a_large_gather_are_the_batches(molecules, options, atoms_at_once, monkeypatch):
    loader = Loader(molecules, np.arange(len(molecules)), **options)
    monkeypatch.setattr("lib.data.loader.ATOMS_AT_ONCE", atoms_at_once)
    plan = shuffled(molecules.sizes, loader.batch_size, loader.atoms_per_batch, seed=1)  # of epoch 1 by seed 0
    for batch, picked in zip(loader.epoch(1), plan, strict=True):
        assert same(batch, loader.batch(torch.from_numpy(picked)))


@pytest.mark.parametrize("options", [{"batch_size": 7}, {"atoms_per_batch": 30, "rank": 1, "ranks": 3}], ids=str)
def test_mapped_and_resident_batches_are_the_same(molecules, options, tmp_path):
    save(molecules, tmp_path / "set.h5")
    mapped = open_mapped(tmp_path / "set.h5", tmp_path)
    chosen = np.random.default_rng(0).permutation(len(molecules))[:33]
    resident = Loader(molecules, chosen, seed=4, **options)
    streamed = Loader(mapped, chosen, seed=4, resident=False, **options)
    assert len(resident) == len(streamed)
    for a, b in zip(resident.epoch(2, 1), streamed.epoch(2, 1), strict=True):
        assert same(a, b)
    for a, b in zip(resident.in_order(), streamed.in_order(), strict=True):
        assert same(a, b)


def same(a, b):
    """Whether two batches hold the same bits."""
    fields = lambda x: [x.z, x.pos, x.batch, *x.molecule.values(), *x.atom.values()]  # noqa: E731
    alike = all(torch.equal(x, y) and x.dtype == y.dtype for x, y in zip(fields(a), fields(b), strict=True))
    return alike and (a.before, a.after, a.part) == (b.before, b.after, b.part)


@pytest.mark.parametrize(
    ("chosen", "sizes", "words"),
    [
        ([], {"batch_size": 4}, "no molecule"),
        ([0], {"batch_size": 0}, "batch_size is 0"),
        ([0], {"atoms_per_batch": -1}, "atoms_per_batch is -1"),
        ([0], {}, "expected one of the two"),
        ([0], {"batch_size": 1, "atoms_per_batch": 1}, "expected one of the two"),
    ],
)
def test_bad_arguments(molecules, chosen, sizes, words):
    with pytest.raises(ValueError, match=words):
        Loader(molecules, np.array(chosen, int), **sizes)

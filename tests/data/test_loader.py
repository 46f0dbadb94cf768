import numpy as np
import pytest
import torch

from lib.data.loader import Loader


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


@pytest.mark.parametrize(("chosen", "size", "words"), [([], 4, "no molecule"), ([0], 0, "batch_size is 0")])
def test_bad_arguments(molecules, chosen, size, words):
    with pytest.raises(ValueError, match=words):
        Loader(molecules, np.array(chosen, int), size)

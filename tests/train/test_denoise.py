import numpy as np
import pytest
import torch

from lib.data.loader import Loader
from lib.train.denoise import Validation, displace, error, floor, frame_error, loaders, loss


class Silent(torch.nn.Module):
    """Predicts no noise at all."""

    def denoise(self, z, pos, batch):
        return torch.zeros_like(pos)


class Oracle(torch.nn.Module):
    """Knows the clean positions and removes rigid motion: the best that an equivariant network could do."""

    def __init__(self, clean: torch.Tensor, sigma: float):
        super().__init__()
        self.clean, self.sigma = clean, sigma

    def denoise(self, z, pos, batch):
        found = []
        for start, stop in zip(*bounds(batch)):
            clean = self.clean[start:stop]
            shift = (pos[start:stop] - clean) / self.sigma
            found.append(shift - rigid_part(clean, shift))
        return torch.cat(found)


def bounds(batch):
    edges = torch.cat([torch.zeros(1, dtype=torch.long), torch.cumsum(torch.bincount(batch), 0)])
    return edges[:-1].tolist(), edges[1:].tolist()


def rigid_part(pos, shift):
    """Projection of a displacement (n, 3) on the translations and infinitesimal rotations of `pos`."""
    centred = pos - pos.mean(0)
    axes = torch.eye(3, dtype=pos.dtype)
    motions = [axis.expand(len(pos), 3) for axis in axes] + [
        torch.cross(axis.expand_as(pos), centred, 1) for axis in axes
    ]
    basis = torch.linalg.qr(torch.stack([m.reshape(-1) for m in motions], 1))[0]
    return (basis @ (basis.T @ shift.reshape(-1))).reshape(-1, 3)


def bent(molecules):
    """Molecules of 4 atoms and more, none of them linear."""
    return molecules.take(np.flatnonzero(molecules.sizes >= 4))


def test_knowing_nothing_scores_one(molecules):
    loader = Loader(molecules, np.arange(len(molecules)), 10, dtype=torch.float64)
    scores = error(Silent(), loader, repeats=200)
    assert scores.shape == (40,)
    assert scores.mean() == pytest.approx(1, abs=0.02)


def test_oracle_without_rigid_motion_reaches_the_floor(molecules):
    some = bent(molecules)
    loader = Loader(some, np.arange(len(some)), len(some), dtype=torch.float64)
    oracle = Oracle(next(loader.in_order()).pos, sigma=0.01)
    scores = error(oracle, loader, sigma=0.01, repeats=400)
    reached = float((scores * torch.from_numpy(some.sizes)).sum() / some.sizes.sum())
    assert reached == pytest.approx(floor(some.sizes), rel=0.02)


def test_floor_of_equal_molecules_is_two_over_n():
    assert floor(np.array([20, 20, 20])) == pytest.approx(2 / 20)


def test_noise_has_the_stated_width():
    generator = torch.Generator().manual_seed(0)
    pos = torch.zeros(20000, 3, dtype=torch.float64)
    noisy, target = displace(pos, 0.2, generator)
    assert noisy.std() == pytest.approx(0.2, rel=0.01)
    torch.testing.assert_close(noisy, 0.2 * target)


def test_ranks_draw_the_noise_of_the_whole_batch_and_keep_their_own():
    whole = displace(torch.zeros(9, 3), 0.2, torch.Generator().manual_seed(0))[1]
    for before, own, after in ((0, 4, 5), (4, 3, 2), (7, 2, 0)):
        part = displace(torch.zeros(own, 3), 0.2, torch.Generator().manual_seed(0), before, after)[1]
        assert torch.equal(part, whole[before : before + own])


def test_validation_asks_the_same_question_twice(molecules):
    validation = Validation(Loader(molecules, molecules.of_split("validation"), 3))
    assert validation(Silent()) == validation(Silent())
    assert Validation(validation.loader, seed=1)(Silent()) != validation(Silent())


def test_loss_is_the_mean_over_atoms(molecules):
    batch = Loader(molecules, np.arange(40), 40).batch(torch.arange(40))
    target = displace(batch.pos, 0.2, torch.Generator().manual_seed(1))[1]
    assert loss(Silent(), batch, torch.Generator().manual_seed(1)) == pytest.approx(float(target.square().mean()))


def test_training_never_sees_held_out_molecules(molecules):
    parts = loaders(molecules, 5, None, seed=0)
    assert [len(parts[s].offsets) - 1 for s in ("train", "validation", "test")] == [24, 8, 8]
    assert len(loaders(molecules, 5, 10, seed=0)["train"].offsets) - 1 == 10


def test_frame_error_is_one_number_a_frame():
    pos = np.random.default_rng(0).normal(size=(11, 7, 3)).astype(np.float32)
    assert frame_error(Silent(), np.full(7, 6), pos).shape == (11,)

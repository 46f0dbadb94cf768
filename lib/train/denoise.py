"""Denoising pre-training: displace every atom by Gaussian noise and predict the displacement (P1, P2)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lib import distributed
from lib.data.loader import Batch, Loader
from lib.data.molecules import SPLITS, MoleculeSet


SIGMA = 0.2  # Å, read off the normaliser inside the published checkpoints


def displace(
    pos: Tensor, sigma: float, generator: torch.Generator, before: int = 0, after: int = 0
) -> tuple[Tensor, Tensor]:
    """Noisy positions (atom, 3) Å and the target (atom, 3) = noise / sigma.

    before, after: atoms of the batch on other ranks; every rank draws the noise of all and keeps that of its own atoms.

    The noise is not centred, as in the authors' code: the six rigid components of a molecule cannot be predicted,
    which bounds the loss from below (`floor`).
    """
    shape = (before + len(pos) + after, 3)
    drawn = torch.randn(shape, generator=generator, device=pos.device, dtype=pos.dtype)
    target = drawn[before : before + len(pos)]
    return pos + sigma * target, target


def loss(model: nn.Module, batch: Batch, generator: torch.Generator, sigma: float = SIGMA) -> Tensor:
    """Mean squared error over the atoms of the batch, in units of sigma²: a model that knows nothing scores 1."""
    noisy, target = displace(batch.pos, sigma, generator, batch.before, batch.after)
    return (model.denoise(batch.z, noisy, batch.batch) - target).square().mean()


def floor(sizes: np.ndarray) -> float:
    """Smallest reachable loss for molecules of these numbers of atoms (n,): 2 / n for each, weighted by atoms.

    Six of a molecule's 3n components are rigid motion, invisible to an equivariant network, so each molecule
    contributes at least 6 of 3n. Linear molecules lack one rotation and are counted as if they had it.
    """
    return float(2 * len(sizes) / np.sum(sizes))


@torch.no_grad()
def error(model: nn.Module, loader: Loader, sigma: float = SIGMA, seed: int = 0, repeats: int = 1) -> Tensor:
    """Denoising error of each molecule (molecule,), mean over its atoms, components and `repeats` noise draws.

    The noise depends on `seed` alone, so that every model is asked the same questions. Ranks take turns at the batches.
    """
    generator = torch.Generator(device=loader.device).manual_seed(seed)
    total = 0
    for _ in range(repeats):
        found = []
        for i, batch in enumerate(loader.in_order()):
            noisy, target = displace(batch.pos, sigma, generator)
            count = torch.bincount(batch.batch)
            found.append(noisy.new_zeros(len(count)))
            if i % distributed.ranks() == distributed.rank():
                squared = (model.denoise(batch.z, noisy, batch.batch) - target).square().mean(1)
                found[-1] = found[-1].index_add(0, batch.batch, squared) / count
        total = total + distributed.summed(torch.cat(found))
    return total / repeats


@dataclass
class Validation:
    """Denoising error over all atoms of a fixed set of molecules under fixed noise: callable on a model."""

    loader: Loader
    sigma: float = SIGMA
    seed: int = 0

    def __call__(self, model: nn.Module) -> float:
        sizes = torch.diff(self.loader.offsets)
        return float((error(model, self.loader, self.sigma, self.seed) * sizes).sum() / sizes.sum())


def loaders(
    molecules: MoleculeSet, batch_size: int | None, train_limit: int | None, seed: int, device: str = "cpu", **options
) -> dict[str, Loader]:
    """One loader a split; `train_limit` keeps that many training geometries, drawn at random by `seed`.

    options: of the Loader. Training batches are shared among the ranks.
    """
    chosen = {split: molecules.of_split(split) for split in SPLITS}
    if train_limit is not None:
        chosen["train"] = np.random.default_rng(seed).permutation(chosen["train"])[:train_limit]
    options |= {"rank": distributed.rank(), "ranks": distributed.ranks()}
    return {split: Loader(molecules, indices, batch_size, seed, device, **options) for split, indices in chosen.items()}


def frame_error(model: nn.Module, z: np.ndarray, pos: np.ndarray, sigma: float = SIGMA, seed: int = 0) -> Tensor:
    """Denoising error (frame,) of frames pos (frame, atom, 3) Å of one system with atomic numbers z (atom,)."""
    frames, atoms = pos.shape[:2]
    offsets = np.arange(frames + 1) * atoms
    blank = np.zeros(frames, np.uint8)
    same = MoleculeSet(np.tile(z, frames), pos.reshape(-1, 3), offsets, blank, blank.astype(str))
    return error(model, Loader(same, np.arange(frames), batch_size=max(1, 1500 // atoms)), sigma, seed)

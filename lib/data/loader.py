"""Batches of a packed molecule set that lives on the device: no worker processes, no loop over molecules."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lib.data.molecules import MoleculeSet


@dataclass
class Batch:
    """`b` molecules with `m` atoms in all.

    z: (m,) long. pos: (m, 3) float Å. batch: (m,) long, molecule of each atom, ascending. molecule: targets (b, ...).
    atom: targets (m, ...).
    """

    z: Tensor
    pos: Tensor
    batch: Tensor
    molecule: dict[str, Tensor]
    atom: dict[str, Tensor]


class Loader:
    """Every chosen molecule exactly once an epoch, in an order that only (seed, epoch) decide.

    molecules: the whole set; it is copied to `device` once. chosen: (k,) indices into it. batch_size: molecules in
    a batch; the last one may be smaller. dtype: of positions and targets.
    """

    def __init__(
        self,
        molecules: MoleculeSet,
        chosen: np.ndarray,
        batch_size: int,
        seed: int = 0,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ):
        if len(chosen) == 0:
            raise ValueError("no molecule was chosen; expected at least one index")
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, expected at least 1 molecule")
        own = molecules.take(np.asarray(chosen))
        put = lambda array, kind: torch.from_numpy(np.ascontiguousarray(array)).to(device, kind)  # noqa: E731
        self.z, self.pos = put(own.z, torch.long), put(own.pos, dtype)
        self.offsets = put(own.offsets, torch.long)
        self.molecule = {k: put(v, dtype) for k, v in own.molecule.items()}
        self.atom = {k: put(v, dtype) for k, v in own.atom.items()}
        self.batch_size, self.seed = batch_size, seed

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-(len(self.offsets) - 1) // self.batch_size)

    def batch(self, picked: Tensor) -> Batch:
        """The given molecules (b,) long, indices into `chosen`, as one batch."""
        start = self.offsets[picked]
        sizes = self.offsets[picked + 1] - start
        owner = torch.repeat_interleave(torch.arange(len(picked), device=picked.device), sizes)
        before = torch.cumsum(sizes, 0) - sizes  # atoms of earlier molecules in this batch
        atoms = torch.arange(len(owner), device=picked.device) + (start - before)[owner]
        return Batch(
            self.z[atoms],
            self.pos[atoms],
            owner,
            {k: v[picked] for k, v in self.molecule.items()},
            {k: v[atoms] for k, v in self.atom.items()},
        )

    def in_order(self) -> Iterator[Batch]:
        """The chosen molecules in their own order, for validation."""
        for picked in torch.arange(len(self.offsets) - 1, device=self.z.device).split(self.batch_size):
            yield self.batch(picked)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The shuffled batches of one epoch, from batch `start` on: a resumed run sees what it would have seen."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order = torch.randperm(len(self.offsets) - 1, generator=generator).to(self.z.device)
        for picked in order.split(self.batch_size)[start:]:
            yield self.batch(picked)

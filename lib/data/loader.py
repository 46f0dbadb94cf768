"""Batches of a packed molecule set, on the device or mapped from disk: no worker processes, no loop over molecules."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lib.data.batches import Share, by_atoms, by_number, share, shuffled
from lib.data.molecules import MoleculeSet


ATOMS_AT_ONCE = 60_000  # gathered together and then cut into batches: fewer, larger index operations


@dataclass
class Batch:
    """`b` molecules with `m` atoms in all.

    z: (m,) long. pos: (m, 3) float Å. batch: (m,) long, molecule of each atom, ascending. molecule: targets (b, ...).
    atom: targets (m, ...). before, after: atoms of the batch that other ranks hold. part: of the whole batch, by atoms.
    """

    z: Tensor
    pos: Tensor
    batch: Tensor
    molecule: dict[str, Tensor]
    atom: dict[str, Tensor]
    before: int = 0
    after: int = 0
    part: float = 1.0


class Loader:
    """Every chosen molecule exactly once an epoch, in an order that only (seed, epoch) decide.

    molecules: the whole set. chosen: (k,) indices into it. A batch holds `batch_size` molecules, or as many of about
    one size as have `atoms_per_batch` atoms. dtype: of positions and targets. resident: the set is copied to `device`
    once; otherwise each batch is read from it, as from a mapped file (`lib.data.mapped`), while the one before is in
    use. rank, ranks: which share of every batch of an epoch is this process's (`lib.data.batches.share`).
    """

    def __init__(
        self,
        molecules: MoleculeSet,
        chosen: np.ndarray,
        batch_size: int | None = None,
        seed: int = 0,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        atoms_per_batch: int | None = None,
        resident: bool = True,
        rank: int = 0,
        ranks: int = 1,
    ):
        if len(chosen) == 0:
            raise ValueError("no molecule was chosen; expected at least one index")
        if (batch_size is None) == (atoms_per_batch is None):
            raise ValueError(
                f"batch_size is {batch_size} and atoms_per_batch {atoms_per_batch}, expected one of the two"
            )
        for name, size in (("batch_size", batch_size), ("atoms_per_batch", atoms_per_batch)):
            if size is not None and size < 1:
                raise ValueError(f"{name} is {size}, expected at least 1")
        self.batch_size, self.atoms_per_batch, self.seed = batch_size, atoms_per_batch, seed
        self.device, self.dtype, self.resident = torch.device(device), dtype, resident
        self.rank, self.ranks = rank, ranks
        own = molecules.take(np.asarray(chosen)) if resident else molecules
        rows = np.arange(len(chosen)) if resident else np.asarray(chosen)
        index = np.int32 if len(own.z) < 2**31 else np.int64  # the narrow one is faster
        self.row, self.first = rows.astype(index), own.offsets[rows].astype(index)
        self.sizes = (own.offsets[rows + 1] - own.offsets[rows]).astype(index)
        self.offsets = torch.from_numpy(np.concatenate([[0], np.cumsum(self.sizes, dtype=np.int64)])).to(self.device)
        whole = lambda array, kind: torch.from_numpy(np.ascontiguousarray(array)).to(self.device, kind)  # noqa: E731
        put = whole if resident else lambda array, kind: array
        self.z, self.pos = put(own.z, torch.uint8), put(own.pos, dtype)
        self.molecule = {k: put(v, dtype) for k, v in own.molecule.items()}
        self.atom = {k: put(v, dtype) for k, v in own.atom.items()}
        self._length = len(self._runs(np.argsort(self.sizes, kind="stable")))

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self._length

    def batch(self, picked: Tensor) -> Batch:
        """The given molecules (b,) long, indices into `chosen`, as one batch."""
        return self._gather([Share(picked.cpu().numpy(), 0, 0, 1.0)])[0]

    def in_order(self) -> Iterator[Batch]:
        """The chosen molecules in their own order, for validation; the same on every rank."""
        return self._batches([share(run, self.sizes, 0, 1) for run in self._runs(np.arange(len(self.row)))])

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The shuffled batches of one epoch, from batch `start` on: a resumed run sees what it would have seen."""
        runs = shuffled(self.sizes, self.batch_size, self.atoms_per_batch, self.seed * 1_000_003 + epoch)[start:]
        return self._batches([share(run, self.sizes, self.rank, self.ranks) for run in runs])

    def _runs(self, order: np.ndarray) -> list[np.ndarray]:
        if self.atoms_per_batch is None:
            return by_number(order, self.batch_size)
        return by_atoms(order, self.sizes, self.atoms_per_batch)

    def _batches(self, shares: list[Share]) -> Iterator[Batch]:
        if not shares:
            return
        starts = np.cumsum([0, *(len(each.picked) for each in shares[:-1])])
        counts = np.add.reduceat(self.sizes[np.concatenate([each.picked for each in shares])], starts)
        edges = [0, *np.flatnonzero(np.diff(np.cumsum(counts) // ATOMS_AT_ONCE)) + 1, len(shares)]
        groups = [shares[i:j] for i, j in itertools.pairwise(edges)]
        for batches in map(self._gather, groups) if self.resident else ahead(self._gather, groups):
            yield from batches

    def _gather(self, shares: list[Share]) -> list[Batch]:
        """Several batches by one set of index operations; each is a view of what they gave."""
        picked = np.concatenate([each.picked for each in shares])
        lengths = [len(each.picked) for each in shares]
        sizes = self.sizes[picked]
        counts = np.add.reduceat(sizes, np.cumsum([0, *lengths[:-1]])).tolist()
        owner = np.repeat(np.concatenate([np.arange(length) for length in lengths]), sizes)
        before = np.cumsum(sizes, dtype=sizes.dtype) - sizes
        atoms = np.arange(len(owner), dtype=sizes.dtype) + np.repeat(self.first[picked] - before, sizes)
        rows = self.row[picked]
        if self.resident:
            atoms, rows = self._put(atoms), self._put(rows)
            take = lambda field, index, kind: field.index_select(0, index).to(kind)  # noqa: E731
        else:
            take = lambda field, index, kind: self._put(read_sorted(field, index), kind)  # noqa: E731
        z, pos = take(self.z, atoms, torch.long).split(counts), take(self.pos, atoms, self.dtype).split(counts)
        batch = self._put(owner).split(counts)
        molecule = {k: take(v, rows, self.dtype).split(lengths) for k, v in self.molecule.items()}
        atom = {k: take(v, atoms, self.dtype).split(counts) for k, v in self.atom.items()}
        return [
            Batch(
                z[i],
                pos[i],
                batch[i],
                {k: v[i] for k, v in molecule.items()},
                {k: v[i] for k, v in atom.items()},
                each.before,
                each.after,
                each.part,
            )
            for i, each in enumerate(shares)
        ]

    def _put(self, array: np.ndarray, kind: torch.dtype | None = None) -> Tensor:
        host = torch.from_numpy(np.ascontiguousarray(array))
        if self.device.type == "cuda":
            host = host.pin_memory()
        return host.to(self.device, non_blocking=True).to(kind or host.dtype)


def read_sorted(field: np.ndarray, index: np.ndarray) -> np.ndarray:
    """field[index], read in the order in which it lies on the disk."""
    order = np.argsort(index, kind="stable")
    found = np.empty((len(index), *field.shape[1:]), field.dtype)
    found[order] = field[index[order]]
    return found


def ahead(make: Callable, items: list) -> Iterator:
    """make(item) for each item in order, the next one made in a thread while the last is in use."""
    with ThreadPoolExecutor(1) as pool:
        coming = [pool.submit(make, item) for item in items[:1]]
        for item in items[1:]:
            ready = coming.pop().result()
            coming.append(pool.submit(make, item))
            yield ready
        for last in coming:
            yield last.result()

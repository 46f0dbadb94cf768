"""Which molecules make a batch, as indices: by number or by atoms, and each rank's share of them."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Share:
    """What one rank does of a batch.

    picked: (b,) int64, its molecules, neighbours in the batch. before, after: atoms of the batch that lower and higher
    ranks hold. part: its atoms over those of the batch.
    """

    picked: np.ndarray
    before: int
    after: int
    part: float


def by_number(order: np.ndarray, size: int) -> list[np.ndarray]:
    """Consecutive runs of `size` molecules; the last one may be smaller."""
    return [order[i : i + size] for i in range(0, len(order), size)]


def by_atoms(order: np.ndarray, sizes: np.ndarray, budget: int) -> list[np.ndarray]:
    """Consecutive runs of at most `budget` atoms, each as long as possible; a larger molecule is a run of its own."""
    stop, runs, start = np.cumsum(sizes[order]), [], 0
    while start < len(order):
        used = stop[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(stop, used + budget, side="right")))
        runs.append(order[start:end])
        start = end
    return runs


def shuffled(sizes: np.ndarray, number: int | None, budget: int | None, seed: int) -> list[np.ndarray]:
    """The batches of an epoch, by number of molecules or by atoms, in an order that only `seed` decides.

    By atoms, molecules of equal size are shuffled among themselves, runs of them cut from the sorted list, and the runs
    shuffled: a batch holds molecules of about one size, and every epoch has the same number of batches.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(sizes), generator=generator).numpy()
    if number is not None:
        return by_number(order, number)
    runs = by_atoms(order[np.argsort(sizes[order], kind="stable")], sizes, budget)
    return [runs[i] for i in torch.randperm(len(runs), generator=generator).tolist()]


def share(picked: np.ndarray, sizes: np.ndarray, rank: int, ranks: int) -> Share:
    """The molecules of a batch that `rank` of `ranks` takes: about equal numbers of atoms, at least one molecule.

    Of a batch with fewer molecules than ranks every rank takes all of it and counts for 1 / ranks.
    """
    if ranks == 1:
        return Share(picked, 0, 0, 1.0)
    if len(picked) < ranks:
        return Share(picked, 0, 0, 1 / ranks)
    stop = np.concatenate([[0], np.cumsum(sizes[picked])])
    each = np.arange(ranks + 1)
    edge = np.searchsorted(stop, stop[-1] * each / ranks)
    edge = np.maximum.accumulate(np.clip(edge, each, len(picked) - ranks + each) - each) + each
    first, last = edge[rank], edge[rank + 1]
    atoms = stop[last] - stop[first]
    return Share(picked[first:last], int(stop[first]), int(stop[-1] - stop[last]), float(atoms / stop[-1]))

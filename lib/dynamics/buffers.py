"""Trajectories in memory or on disk, read in contiguous pieces and never all at once unless they fit.

A trajectory is a NumPy array, an HDF5 dataset or an `OnDisk`: it has a shape (frame, ...) and can be sliced.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import torch


CHUNK = 16384  # frames read at once in a pass over a trajectory, fewer if they are large:
NUMBERS = 1 << 26  # in a chunk at the most, 256 MB
PIECES = 8  # a buffer mixes at least this many places of the trajectories

Piece = tuple[int, int, int]  # trajectory, first frame, end frame


@dataclass(frozen=True)
class OnDisk:
    """Frames `start` to `end` of an HDF5 dataset, read when sliced; no file stays open, so processes may share it."""

    path: Path
    dataset: str
    start: int
    end: int

    @classmethod
    def whole(cls, path: Path, dataset: str) -> "OnDisk":
        """All frames of a dataset; raises FileNotFoundError or KeyError where there is none."""
        with h5py.File(path) as file:
            return cls(Path(path), dataset, 0, len(file[dataset]))

    @property
    def shape(self) -> tuple[int, ...]:
        with h5py.File(self.path) as file:
            return (len(self), *file[self.dataset].shape[1:])

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, index: int | slice) -> np.ndarray:
        rows = range(self.start, self.end)[index]
        with h5py.File(self.path) as file:
            return file[self.dataset][rows if isinstance(rows, int) else slice(rows.start, rows.stop, rows.step)]


def part(trajectory, start: int, end: int):
    """Frames `start` to `end` of a trajectory, of one on disk without reading it."""
    if isinstance(trajectory, OnDisk):
        return replace(trajectory, start=trajectory.start + start, end=trajectory.start + end)
    return trajectory[start:end]


def chunks(trajectory) -> Iterator[np.ndarray]:
    """The frames of one trajectory in order, (frame, ...) float32, as many at a time as fit easily."""
    size = max(1, min(CHUNK, NUMBERS // max(1, int(np.prod(trajectory.shape[1:])))))
    for start in range(0, len(trajectory), size):
        yield np.asarray(trajectory[start : start + size], dtype=np.float32)


class Buffers:
    """Training frames a buffer at a time: all of them if they fit, else pieces of trajectories in random order.

    trajectories: list of (frame, ...) arrays or HDF5 datasets. frames: how many of them fit; None for all. overlap:
    frames by which a piece reaches into the next one, so that no lagged pair of an epoch is lost. Raises ValueError
    when a piece would be mostly overlap.
    """

    def __init__(self, trajectories: list, frames: int | None, overlap: int, device: str = "cpu"):
        self.trajectories, self.overlap, self.device = trajectories, overlap, device
        lengths = [len(t) for t in trajectories]
        self.size = (frames or sum(lengths)) // PIECES
        self.resident = None
        if frames is None or sum(lengths) <= frames:
            joined = np.concatenate([t[:] for t in trajectories]).astype(np.float32, copy=False)
            self.resident = torch.from_numpy(joined).to(device)
            self.pieces = [(i, 0, length) for i, length in enumerate(lengths)]
        elif self.size < 2 * overlap:
            raise ValueError(
                f"a buffer of {frames} frames holds {PIECES} pieces of {self.size}, expected pieces of at least "
                f"{2 * overlap}, twice the frames that pairs span"
            )
        else:
            self.pieces = [piece for i, length in enumerate(lengths) for piece in self.cut(i, length)]

    def cut(self, trajectory: int, length: int) -> list[Piece]:
        """One trajectory in pieces of equal length, as long as a buffer allows."""
        count = max(0, -(-(length - self.overlap) // (self.size - self.overlap)))
        edges = np.linspace(0, length - self.overlap, count + 1).astype(int)
        return [(trajectory, int(a), int(b) + self.overlap) for a, b in itertools.pairwise(edges)]

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, list[Piece]]]:
        """Buffers of one pass: frames (frame, ...) float32 on the device, and the pieces they are made of, in order."""
        if self.resident is not None:
            yield self.resident, self.pieces
            return
        order = torch.randperm(len(self.pieces), generator=generator).tolist()
        for start in range(0, len(order), PIECES):
            chosen = [self.pieces[i] for i in order[start : start + PIECES]]
            read = [np.asarray(self.trajectories[i][a:b], dtype=np.float32) for i, a, b in chosen]
            yield torch.from_numpy(np.concatenate(read)).to(self.device), chosen

    def moments(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of each feature over all frames, float32."""
        if self.resident is not None:
            return self.resident.mean(0).cpu(), self.resident.std(0).cpu()
        # Sums about the first frame: a feature that is constant stays without any spread.
        origin = np.asarray(self.trajectories[0][0], dtype=np.float64)
        first, second, count = np.zeros_like(origin), np.zeros_like(origin), 0
        for trajectory in self.trajectories:
            for chunk in chunks(trajectory):
                moved = chunk.astype(np.float64) - origin
                first, second, count = first + moved.sum(0), second + np.square(moved).sum(0), count + len(moved)
        variance = np.maximum(second - first**2 / count, 0) / (count - 1)
        return torch.from_numpy(origin + first / count).float(), torch.from_numpy(np.sqrt(variance)).float()

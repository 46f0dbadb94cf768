"""Structures that stand for a state: the frames nearest to the middle of its core, with all their atoms, as PDB."""

import os
from pathlib import Path

import mdtraj
import numpy as np

from lib.data.frames import Frames


def nearest(
    functions: list[np.ndarray], core: list[np.ndarray], state: int, count: int, apart: int
) -> list[tuple[int, int]]:
    """(trajectory, frame) of at most `count` frames of a core, nearest first to the mean of its functions (frame, k).

    apart: frames between two from one trajectory, or they are one visit seen twice. Raises ValueError for no frame.
    """
    rows = [np.flatnonzero(c == state) for c in core]
    if not sum(map(len, rows)):
        raise ValueError(f"no frame lies in the core of state {state + 1}, expected at least one")
    place = [(i, int(frame)) for i, own in enumerate(rows) for frame in own]
    points = np.concatenate([f[own] for f, own in zip(functions, rows)])
    order = np.argsort(((points - points.mean(0)) ** 2).sum(1), kind="stable")
    chosen = []
    for i, frame in (place[row] for row in order):
        if all(i != other or abs(frame - at) >= apart for other, at in chosen):
            chosen.append((i, frame))
        if len(chosen) == count:
            break
    return chosen


def save(path: Path, frames: list[Frames], chosen: list[tuple[int, int]]) -> None:
    """Write the chosen (trajectory, frame) as models of one PDB file, laid over the first by the selected atoms."""
    joined = mdtraj.join([frames[i].trajectory(at, at + 1) for i, at in chosen], check_topology=False)
    joined.superpose(joined, atom_indices=frames[0].selection)
    partial = path.with_suffix(".part.pdb")
    path.parent.mkdir(parents=True, exist_ok=True)
    joined.save_pdb(str(partial))
    os.replace(partial, path)

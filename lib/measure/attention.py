"""What attention between tokens follows: maps of a trained mixer, and their correlation with contacts of residues.

A correlation is held against one that keeps everything but the pairing: contacts moved in time, or residues renamed.
"""

from dataclasses import dataclass
from itertools import permutations

import mdtraj
import numpy as np
import torch

from lib.mixers import Mixer, attention_maps
from lib.mixers.attention import SubFormer
from lib.mixers.merging import TokenMerging


CONTACT = 0.45  # nm between the nearest heavy atoms of two residues
CHUNK = 2048  # frames at once
EXHAUSTIVE = 6  # residues of which all permutations are looked at
DRAWN = 500  # permutations of more


@dataclass
class Maps:
    """Attention averaged over layers and heads.

    between: (frame, token, token), row: who looks, column: at whom. summary: (frame, token), what the class token
    looks at; None without one.
    """

    between: np.ndarray
    summary: np.ndarray | None


def mean_maps(mixer: Mixer, frames: np.ndarray) -> Maps:
    """Attention of a mixer with one token a residue, from frames (frame, token, 4, H + 1) with their CA positions.

    Raises ValueError for a mixer without attention, or with merged tokens.
    """
    if any(isinstance(stage, TokenMerging) for stage in mixer.stages):
        raise ValueError("the mixer attends among merged tokens, expected one that keeps the tokens of a frame apart")
    found, tokens = [], frames.shape[1]
    for start in range(0, len(frames), CHUNK):
        part = torch.from_numpy(frames[start : start + CHUNK])
        maps = attention_maps(mixer, part[..., :-1], part[:, :, 1:, -1])
        if not maps:
            raise ValueError("the mixer has no attention to read")
        found.append(torch.stack([m.mean(1) for m in maps]).mean(0).double().numpy())
    found = np.concatenate(found)
    if not isinstance(mixer.sequence, SubFormer):
        return Maps(found, None)
    return Maps(found[:, 1 : tokens + 1, 1 : tokens + 1], found[:, 0, 1 : tokens + 1])


def contacts(frames: mdtraj.Trajectory) -> np.ndarray:
    """(frame, residue, residue) bool: nearest heavy atoms within 4.5 Å; the diagonal is True."""
    residues = frames.topology.n_residues
    pairs = np.array([(i, j) for i in range(residues) for j in range(i + 1, residues)])
    near = mdtraj.compute_contacts(frames, pairs, scheme="closest-heavy")[0] < CONTACT
    made = np.broadcast_to(np.eye(residues, dtype=bool), (len(near), residues, residues)).copy()
    made[:, pairs[:, 0], pairs[:, 1]] = made[:, pairs[:, 1], pairs[:, 0]] = near
    return made


def over_time(between: np.ndarray, contact: np.ndarray, separation: int = 2) -> np.ndarray:
    """Correlation over frames of attention with contact, the mean of each pair taken off, pooled over pairs.

    between, contact: (frame, token, token), attention taken both ways; pairs at least `separation` apart in sequence.
    Returns (1 + shifts,): the correlation, then the same with contacts moved along the trajectory by 10 to 90 % of
    it, which keeps their frequency and how long they last. NaN where no contact or no attention ever changes.
    """
    frames, tokens = between.shape[:2]
    first, second = np.triu_indices(tokens, separation)
    seen = (between + between.transpose(0, 2, 1))[:, first, second] / 2
    there = contact[:, first, second].astype(float)
    shifts = [0, *np.unique(np.linspace(0.1 * frames, 0.9 * frames, 41).astype(int))]
    return np.array([_pooled(seen, np.roll(there, shift, axis=0)) for shift in shifts])


def by_pair(between: np.ndarray, contact: np.ndarray) -> np.ndarray:
    """(token, token) correlation over frames of each pair's attention, taken both ways, with its contact.

    NaN where one of the two never changes, and on the diagonal.
    """
    tokens = between.shape[1]
    seen = (between + between.transpose(0, 2, 1)) / 2
    found = np.full((tokens, tokens), np.nan)
    for i, j in np.argwhere(~np.eye(tokens, dtype=bool)):
        found[i, j] = _pooled(seen[:, i, j, None], contact[:, i, j, None].astype(float))
    return found


def over_pairs(between: np.ndarray, contact: np.ndarray, seed: int = 0) -> np.ndarray:
    """Correlation over all pairs of residues of mean attention with the frequency of contact.

    Returns (1 + permutations,): the correlation, then the same with the residues of the contacts renamed: all ways up
    to six residues, 500 drawn ones of more. Neighbours in sequence count, so a mixer that knows the sequence has some.
    """
    tokens = between.shape[1]
    rows, columns = np.triu_indices(tokens, 1)
    seen = (between.mean(0) + between.mean(0).T)[rows, columns] / 2
    frequency = contact.mean(0)
    if tokens <= EXHAUSTIVE:
        orders = list(permutations(range(tokens)))[1:]
    else:
        random = np.random.default_rng(seed)
        orders = [random.permutation(tokens) for _ in range(DRAWN)]
    orders = [np.arange(tokens), *map(np.array, orders)]
    return np.array([_pooled(seen[:, None], frequency[np.ix_(o, o)][rows, columns][:, None]) for o in orders])


def _pooled(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson correlation of x, y (sample, column), the mean of each column taken off."""
    x, y = x - x.mean(0), y - y.mean(0)
    scale = np.sqrt(np.square(x).sum() * np.square(y).sum())
    return float((x * y).sum() / scale) if scale > 0 else float("nan")


def excess(correlations: np.ndarray) -> float:
    """The correlation minus the mean of its permuted ones, from `over_time` or `over_pairs`; NaN counts as none."""
    return float(np.nan_to_num(correlations[0]) - np.nan_to_num(correlations[1:]).mean())

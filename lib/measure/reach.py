"""How far a structure lies from the training data, and whether that foretells the error."""

from dataclasses import dataclass

import numpy as np
import torch
from ase.data import covalent_radii
from scipy.spatial import cKDTree
from scipy.stats import rankdata
from sklearn.covariance import LedoitWolf

from lib.models.encoder import Encoder
from lib.models.readout import invariants
from lib.train.denoise import displace


BONDED = 1.25  # atoms are neighbours within this many sums of their covalent radii
NEAR = 5.0  # Å, of the local density


class Mahalanobis:
    """Distance to a cloud of training features (n, d), covariance shrunk by Ledoit & Wolf, per square root of d.

    About 1 for the training data themselves. A feature that is constant in them is left out.
    """

    def __init__(self, training: np.ndarray):
        spread = training.std(0)
        self.kept = spread > 1e-6 * spread.max()
        self.mean, self.spread = training.mean(0), spread
        self.model = LedoitWolf().fit(self._scaled(training))

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        return ((x - self.mean) / np.where(self.kept, self.spread, 1))[:, self.kept].astype(np.float64)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(m,) distances of features (m, d)."""
        return np.sqrt(self.model.mahalanobis(self._scaled(features)) / self.kept.sum())


@torch.no_grad()
def atom_features(encoder: Encoder, z: np.ndarray, pos: np.ndarray) -> np.ndarray:
    """(atom, 2H) invariants of the atoms of one structure; z (atom,), pos (atom, 3) Å."""
    z = torch.from_numpy(z.astype(np.int64))
    return invariants(*encoder(z, torch.from_numpy(pos.astype(np.float32)), torch.zeros_like(z))).numpy()


@torch.no_grad()
def denoising_error(encoder: Encoder, z: np.ndarray, pos: np.ndarray, sigma: float, draws: int, seed: int) -> float:
    """Mean squared error of the predicted noise in units of sigma², the mean over draws: 1 is no knowledge."""
    z = torch.from_numpy(z.astype(np.int64)).repeat(draws)
    batch = torch.arange(draws).repeat_interleave(len(pos))
    clean = torch.from_numpy(pos.astype(np.float32)).repeat(draws, 1)
    noisy, target = displace(clean, sigma, torch.Generator().manual_seed(seed))
    return float((encoder.denoise(z, noisy, batch) - target).square().mean())


def excess(error: float, atoms: int) -> float:
    """Denoising error above its floor 2/n, 0 for all that can be known and 1 for nothing: comparable between sizes."""
    floor = 2 / atoms
    return (error - floor) / (1 - floor)


def coordination(z: np.ndarray, pos: np.ndarray) -> np.ndarray:
    """(atom, 2) float64: bonded neighbours of each atom, and atoms within 5 Å. z (atom,), pos (atom, 3) Å."""
    tree, radius = cKDTree(pos), covalent_radii[z]
    first, second = tree.query_pairs(BONDED * 2 * radius.max(), output_type="ndarray").T
    distance = np.linalg.norm(pos[first] - pos[second], axis=1)
    bonded = distance < BONDED * (radius[first] + radius[second])
    bonds = np.bincount(np.concatenate([first[bonded], second[bonded]]), minlength=len(z))
    return np.stack([bonds, tree.query_ball_point(pos, NEAR, return_length=True) - 1], 1).astype(np.float64)


@dataclass(frozen=True)
class Trend:
    """A rank correlation with its draws."""

    value: float
    draws: np.ndarray


def trend(x: np.ndarray, y: np.ndarray, families: np.ndarray, draws: int, seed: int = 0) -> Trend:
    """Spearman correlation of x and y (item,), with whole families (item,) of items redrawn.

    Raises ValueError for fewer than four families: an interval would mean nothing.
    """
    names, member = np.unique(families, return_inverse=True)
    if len(names) < 4:
        raise ValueError(f"{len(names)} families, expected at least 4 to redraw from")
    random, found = np.random.default_rng(seed), []
    items = [np.flatnonzero(member == i) for i in range(len(names))]
    while len(found) < draws:
        chosen = np.concatenate([items[i] for i in random.integers(len(names), size=len(names))])
        if np.ptp(x[chosen]) > 0 and np.ptp(y[chosen]) > 0:
            found.append(spearman(x[chosen], y[chosen]))
    return Trend(spearman(x, y), np.array(found))


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Correlation of the ranks, ties at their mean rank."""
    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])


def auc(scores: np.ndarray, broken: np.ndarray) -> float:
    """Probability that a broken item has a higher score than an intact one, ties half; NaN without both kinds."""
    high, low = scores[broken], scores[~broken]
    if not len(high) or not len(low):
        return float("nan")
    return float(
        (rankdata(np.concatenate([high, low]))[: len(high)].sum() / len(high) - (len(high) + 1) / 2) / len(low)
    )

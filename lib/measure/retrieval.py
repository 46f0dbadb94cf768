"""Retrieval without training: is the nearest domain in feature space of the same kind?"""

import numpy as np
from scipy.spatial.distance import cdist


def allowed(labels: np.ndarray, excluded: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Which items (item, item) may answer which, and which items (item,) are asked: those that could be answered right.

    labels: (item,) str, "" for unknown, which is neither asked nor answers. excluded: (item, item) bool, pairs that may
    not answer each other, such as relatives.
    """
    may = ~np.eye(len(labels), dtype=bool) & (labels != "")[None]
    if excluded is not None:
        may &= ~excluded
    return may, ((labels[:, None] == labels[None]) & may).any(1) & (labels != "")


def nearest_agrees(features: np.ndarray, labels: np.ndarray, excluded: np.ndarray | None = None) -> np.ndarray:
    """(item,) 1.0 where the nearest item that may answer has the same label, 0.0 where not, NaN where none is asked.

    features: (item, d), standardised here over all items, then Euclidean. labels, excluded: as in `allowed`. Raises
    ValueError for features that are not finite.
    """
    if not np.isfinite(features).all():
        raise ValueError(f"{(~np.isfinite(features)).sum()} of {features.size} features are NaN or infinite")
    spread = features.std(0)
    x = (features - features.mean(0)) / np.where(spread > 1e-12, spread, np.inf)
    may, asked = allowed(labels, excluded)
    nearest = np.where(may, cdist(x, x), np.inf).argmin(1)
    return np.where(asked, (labels[nearest] == labels).astype(float), np.nan)


def chance(labels: np.ndarray, excluded: np.ndarray | None = None) -> float:
    """Probability that a random item that may answer agrees, the mean over the items that are asked."""
    may, asked = allowed(labels, excluded)
    same = (labels[:, None] == labels[None]) & may
    return float((same.sum(1)[asked] / may.sum(1)[asked]).mean())


def group_bootstrap(values: np.ndarray, groups: np.ndarray, draws: int, seed: int = 0) -> np.ndarray:
    """(draws,) means of values (run, item) with whole groups of items, and runs, redrawn with replacement.

    NaN values count for nothing. groups: (item,) labels; items of one group are relatives, not independent. The same
    seed redraws the same groups for any values, so that differences of draws are paired. Raises ValueError for fewer
    than two groups.
    """
    values = np.atleast_2d(values)
    names, member = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"{len(names)} groups, expected at least 2 to redraw from")
    random, own, found = np.random.default_rng(seed), np.random.default_rng([seed, 1]), []
    for _ in range(draws):
        weight = np.bincount(random.integers(len(names), size=len(names)), minlength=len(names))[member]
        runs = own.integers(len(values), size=len(values))  # of their own: any number of runs sees the same groups
        drawn = values[runs].mean(0)
        weight = np.where(np.isnan(drawn), 0, weight)
        found.append(np.nan if weight.sum() == 0 else np.nansum(weight * drawn) / weight.sum())
    return np.array(found)

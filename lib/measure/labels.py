"""How uncertain labels are: what levels of theory disagree on, and what noise in them does to a measured error."""

import numpy as np
import pandas as pd
from scipy.stats import foldnorm


def complete(values: np.ndarray) -> np.ndarray:
    """(n,) whether every level gave a value; values: (n, level). Raises ValueError where fewer than 3 molecules are."""
    whole = np.isfinite(values).all(1)
    if whole.sum() < 3:
        raise ValueError(f"{whole.sum()} of {len(values)} molecules have a value by every level, expected 3 or more")
    return whole


def spread(values: np.ndarray) -> np.ndarray:
    """(n,) standard deviation over the levels; values: (n, level)."""
    return np.std(np.asarray(values, float), axis=1, ddof=1)


def unexplained(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(n, level) what the best line through another level's values leaves of each level's; reference: (n,).

    A shift or a scale that all molecules share is no noise to a model: it learns either level as well as the other.
    """
    values, reference = np.asarray(values, float), np.asarray(reference, float)
    line = np.stack([reference, np.ones_like(reference)], 1)
    return values - line @ np.linalg.lstsq(line, values, rcond=None)[0]


def rank_correlation(table: pd.DataFrame) -> pd.DataFrame:
    """(level, level) Spearman correlations; table: one row a molecule, one column a level."""
    return table.corr(method="spearman")


def measured(errors: np.ndarray, noise: float) -> np.ndarray:
    """Mean absolute error that a test with labels of Gaussian noise (its standard deviation) would show of each of
    these true absolute errors: the mean of a folded normal distribution, at least noise * sqrt(2 / pi).
    """
    errors = np.asarray(errors, float)
    return foldnorm.mean(errors / noise, scale=noise) if noise else errors


def crossing(noises: np.ndarray, harm: np.ndarray, gain: float) -> float:
    """The noise from which on its harm is more than the gain: linear between points (ascending noises, 0 first), NaN
    where the gain is never reached; harm: error more than without noise.
    """
    noises, harm = np.asarray(noises, float), np.asarray(harm, float)
    above = np.flatnonzero(harm > gain)
    if not len(above):
        return float("nan")
    if above[0] == 0:
        return float(noises[0])
    k = above[0]
    share = (gain - harm[k - 1]) / (harm[k] - harm[k - 1])
    return float(noises[k - 1] + share * (noises[k] - noises[k - 1]))

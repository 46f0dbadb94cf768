"""Two classifiers on the same test items: exact McNemar test, hierarchical bootstrap, and what a test can resolve."""

import numpy as np
from scipy.stats import binom, norm

from lib.measure.stats import percentile_interval


def mcnemar(new: np.ndarray, old: np.ndarray) -> tuple[int, int, float]:
    """Items that only `new` gets right, items that only `old` does, and the exact two-sided p-value.

    new, old: (n,) bool, right or wrong on the same items. Under the null hypothesis each item on which they disagree
    falls on either side with probability 1/2. Raises ValueError for unpaired input.
    """
    new, old = np.asarray(new, bool), np.asarray(old, bool)
    if new.shape != old.shape or new.ndim != 1:
        raise ValueError(f"shapes {new.shape} and {old.shape}, expected two rows of the same items")
    gained, lost = int((new & ~old).sum()), int((~new & old).sum())
    return gained, lost, float(sign_test(gained, gained + lost))


def sign_test(gained, total):
    """Exact two-sided p-value of `gained` out of `total` under a fair coin; arrays are taken too."""
    tail = binom.cdf(np.minimum(gained, total - gained), total, 0.5)
    return np.minimum(1.0, 2 * tail)


def macro(right: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Accuracy (...,) averaged over the classes that are present; right: (..., n) bool, labels: (n,)."""
    return np.mean([right[..., labels == label].mean(-1) for label in np.unique(labels)], 0)


def majority(labels: np.ndarray, tested: np.ndarray) -> float:
    """Accuracy (%) on `tested` (n,) of always naming the most frequent of the training `labels` (m,)."""
    return float(100 * np.mean(tested == np.bincount(labels).argmax()))


def gain_interval(
    new: np.ndarray, old: np.ndarray, draws: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float, float]:
    """Mean gain in accuracy (points, %) and its interval by a bootstrap over seeds, then items, both paired.

    new, old: (seed, n) bool. In each draw seeds are redrawn, and then items, the same ones for both classifiers and
    for all seeds: both the training run and the test set could have been others. Raises ValueError for unpaired input.
    """
    new, old = np.asarray(new, float), np.asarray(old, float)
    if new.shape != old.shape or new.ndim != 2:
        raise ValueError(f"shapes {new.shape} and {old.shape}, expected (seed, item) of the same seeds and items")
    difference, random = 100 * (new - old), np.random.default_rng(seed)
    seeds, items = difference.shape
    found = np.empty(draws)
    for i in range(draws):
        of_items = difference[random.integers(seeds, size=seeds)].mean(0)
        found[i] = of_items[random.integers(items, size=items)].mean()
    return (float(difference.mean()), *percentile_interval(found, level))


def mcnemar_power(items: int, gain: float, disagreement: float, level: float = 0.05) -> float:
    """Probability that the exact McNemar test finds a gain, summed over all outcomes.

    gain: in accuracy, as a share. disagreement: share of the items that exactly one of the two gets right, at least
    the gain. Raises ValueError otherwise.
    """
    if not abs(gain) <= disagreement <= 1:
        raise ValueError(f"disagreement {disagreement} with a gain of {gain}, expected between the gain and 1")
    better = (disagreement + gain) / 2 / disagreement
    totals = np.arange(items + 1)
    weight = binom.pmf(totals, items, disagreement)
    power = 0.0
    for total in totals[weight > 1e-9]:
        gained = np.arange(total + 1)
        power += weight[total] * binom.pmf(gained, total, better)[sign_test(gained, total) < level].sum()
    return float(power)


def unpaired_power(items: int, base: float, gain: float, level: float = 0.05) -> float:
    """Power of the two-sided test of two proportions on separate samples of `items`, in the normal approximation."""
    pooled = base + gain / 2
    under_null = np.sqrt(2 * pooled * (1 - pooled) / items)
    spread = np.sqrt((base * (1 - base) + (base + gain) * (1 - base - gain)) / items)
    reach = norm.ppf(1 - level / 2) * under_null
    return float(norm.sf((reach - gain) / spread) + norm.cdf((-reach - gain) / spread))

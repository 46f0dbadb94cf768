"""What pre-trained tokens add to a host's accuracy, as leaves of a metrics file."""

import numpy as np

from lib.measure import metric
from lib.measure.classifiers import gain_interval


def gain(new: np.ndarray, old: np.ndarray, draws: int) -> dict:
    """Gain in points (%) with its interval over seeds and domains; new, old: (seed, n) bool.

    A re-run on another machine may differ by the width of the interval: fits are chaotic, and a set may be small.
    """
    mean, low, high = gain_interval(new, old, draws)
    return metric.interval(mean, low, high, len(new), "%", tolerance=high - low)


def gains(correct: dict[str, dict[str, np.ndarray]], main: str, draws: int) -> dict[str, dict[str, dict]]:
    """Gain of the arm `main` over each other, in each test split and over "all" their domains together.

    correct: arm -> split -> (seed, n) bool.
    """
    joined = {arm: by_split | {"all": np.concatenate(list(by_split.values()), 1)} for arm, by_split in correct.items()}
    new = joined.pop(main)
    return {arm: {s: gain(new[s], old[s], draws) for s in new} for arm, old in joined.items()}


def disagreement(one: np.ndarray, other: np.ndarray) -> float:
    """Share of the domains that exactly one of two arms names rightly, mean over seeds; (seed, n) bool each."""
    return float((one != other).mean())


def accuracy(shares: np.ndarray) -> dict:
    """Leaf for the accuracies (seed,) of one arm, given as shares, in %."""
    return metric.estimate(100 * np.asarray(shares), "%")

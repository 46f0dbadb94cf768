"""Differences between scores that were found on the same fits and the same redrawn blocks."""

import numpy as np

from lib.measure.metric import SPREAD, interval
from lib.measure.stats import percentile_interval


def difference(new: np.ndarray, old: np.ndarray, new_draws: np.ndarray, old_draws: np.ndarray, unit: str = "") -> dict:
    """A metric of new - old: tables (trajectory, seed) of scores, and paired bootstrap draws (draws,) of their means.

    Its tolerance is three standard deviations of the difference over seeds, over draws where there is one seed. Raises
    ValueError for tables or draws that are not pairs.
    """
    if new.shape != old.shape or new_draws.shape != old_draws.shape:
        raise ValueError(
            f"scores {new.shape} and {old.shape}, draws {new_draws.shape} and {old_draws.shape}, expected pairs"
        )
    by_seed, draws = (new - old).mean(0), new_draws - old_draws
    spread = by_seed.std(ddof=1) if len(by_seed) > 1 else draws.std(ddof=1)
    return interval((new - old).mean(), *percentile_interval(draws), new.size, unit, SPREAD * float(spread))


def shown(leaf: dict, digits: int = 3) -> str:
    """ "+0.012 (-0.001 to +0.025)": value and interval of a metric, for a table."""
    value, low, high = (float("nan") if leaf[k] is None else leaf[k] for k in ("value", "low", "high"))
    return f"{value:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def verdict(leaf: dict, above: str = "higher than", below: str = "lower than", same: str = "not distinguishable from"):
    """The word for an interval above zero, below it, or around it."""
    if leaf["low"] is None:
        return same
    return above if leaf["low"] > 0 else below if leaf["high"] < 0 else same

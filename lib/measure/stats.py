"""Intervals beyond a plain mean: bootstrap over blocks of a trajectory, paired relative gains."""

from collections.abc import Callable

import numpy as np

from lib.measure.metric import t_interval


def block_bootstrap(
    strata: list[int], statistic: Callable[[list[np.ndarray]], float], draws: int = 500, seed: int = 0
) -> np.ndarray:
    """(draws,) values of a statistic on blocks redrawn with replacement within each stratum.

    strata: blocks in each stratum, for example in each trajectory; a block should be much longer than the slowest
    process. statistic: takes one (n,) int64 array of chosen blocks per stratum. Passing the same blocks to two
    models inside `statistic` makes their comparison a paired one. Raises ValueError for fewer than two blocks.
    """
    if min(strata, default=0) < 2:
        raise ValueError(f"strata of {strata} blocks, expected at least 2 blocks in each to redraw from")
    random = np.random.default_rng(seed)
    return np.array([statistic([random.integers(n, size=n) for n in strata]) for _ in range(draws)])


def percentile_interval(draws: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The central part of bootstrap draws."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def relative_gain(new, old, offset: float = 0.0, level: float = 0.95) -> tuple[float, float, float]:
    """Mean of new / old - 1 over pairs, in per cent, with the t-interval of the paired gains.

    new, old: (n,) scores of the same seed or fold. offset is taken off both first: 1 for a VAMP-2 score removes the
    constant mode, without which the gain depends on the convention. Raises ValueError for unpaired or
    non-positive reference scores.
    """
    new, old = np.asarray(new, dtype=float).ravel() - offset, np.asarray(old, dtype=float).ravel() - offset
    if new.shape != old.shape:
        raise ValueError(f"{len(new)} new scores and {len(old)} old ones, expected pairs")
    if (old <= 0).any():
        raise ValueError(f"reference scores {old} after the offset {offset}, expected positive ones")
    return t_interval(100 * (new / old - 1), level)

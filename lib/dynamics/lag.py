"""The lag of a Markov model, chosen from its implied timescales by a rule that may also choose none.

The rule: the shortest lag at which the slowest timescale is *resolved* (it and its 95 % interval lie above the lag),
*known* (the interval's ends differ by less than a factor of three) and *flat* (it agrees with those at all longer
resolved lags, at least two). A longer lag than needed is no more right and leaves fewer independent counts.
"""

from dataclasses import dataclass

import numpy as np

from lib.dynamics.features import lag_in_frames
from lib.measure.stats import percentile_interval


KNOWN = 3.0  # high over low of an interval that still says something
FLAT = 0.15  # relative difference of timescales that counts as none, whatever the interval
LATER = 2  # longer lags that a plateau needs


@dataclass(frozen=True)
class LagChoice:
    """index: of the chosen lag, None where none qualifies. reasons: for each lag, "" or why not.

    value, low, high: (lag,) slowest timescale with its 95 % interval, in the unit of the lags.
    """

    index: int | None
    reasons: list[str]
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def choose_lag(lags: np.ndarray, value: np.ndarray, samples: np.ndarray) -> LagChoice:
    """Apply the rule to the slowest timescale: lags and value (lag,), samples (lag, draw), all in one unit.

    NaN marks a timescale that could not be estimated. Raises ValueError unless lags ascend.
    """
    lags, value = np.asarray(lags, float), np.asarray(value, float)
    if (np.diff(lags) <= 0).any():
        raise ValueError(f"lags {lags.tolist()}, expected ascending ones")
    finite = [s[np.isfinite(s)] for s in np.asarray(samples, float)]
    low, high = np.array([percentile_interval(s) if len(s) else (np.nan, np.nan) for s in finite]).T
    resolved = np.minimum(low, value) > lags
    reasons = []
    for i in range(len(lags)):
        later = [j for j in range(i + 1, len(lags)) if resolved[j]]
        moved = [abs(value[j] / value[i] - 1) for j in later if not low[i] <= value[j] <= high[i]]
        if not resolved[i]:
            reasons.append("not resolved: the interval reaches below the lag")
        elif high[i] > KNOWN * low[i]:
            reasons.append(f"not known: the interval spans a factor of {high[i] / low[i]:.1f}")
        elif max(moved, default=0.0) > FLAT:
            reasons.append(f"not flat: a longer lag moves it by {max(moved):.0%}")
        elif len(later) < LATER:
            reasons.append(f"no plateau to see: {len(later)} longer resolved lags, expected {LATER}")
        else:
            reasons.append("")
    return LagChoice(reasons.index("") if "" in reasons else None, reasons, value, low, high)


def ladder(shortest: int, longest: int, count: int = 6) -> list[int]:
    """About `count` lags in frames from `shortest` to `longest`, evenly spaced by ratio, multiples of the shortest.

    Raises ValueError where there is no room for three.
    """
    steps = np.unique(np.round(np.geomspace(1, max(1, longest // shortest), count)).astype(int))
    if len(steps) < 3:
        raise ValueError(f"lags between {shortest} and {longest} frames, expected room for three multiples: too short")
    return [int(shortest * step) for step in steps]


def lags_in_frames(lag_times_ns: list[float], system, stride: int, lengths: list[int]) -> list[int]:
    """Lags in frames kept, from ns; an empty list gives a ladder up to a twentieth of the longest trajectory.

    system: has a name and frame_ps. Raises ValueError for lags that do not ascend, are no whole number of frames or
    longer than every trajectory, and for fewer than three, in which no plateau could be seen.
    """
    if not lag_times_ns:
        return ladder(1, max(lengths) // 20)
    if len(lag_times_ns) < LATER + 1 or min(np.diff(lag_times_ns)) <= 0:
        raise ValueError(f"lag_times_ns is {lag_times_ns}, expected at least {LATER + 1} ascending lags, or []")
    lags = [lag_in_frames(1000 * lag, system, stride) for lag in lag_times_ns]
    if lags[-1] >= max(lengths):
        frame_ns = system.frame_ps * stride / 1000
        raise ValueError(
            f"the lag of {lag_times_ns[-1]:g} ns is too long: the longest trajectory has {max(lengths) * frame_ns:g} ns"
        )
    return lags

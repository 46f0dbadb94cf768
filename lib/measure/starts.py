"""What pre-training gains over random weights: paired by seed, and over all sizes of an encoder at once."""

import numpy as np

from lib.measure import metric


def gain(scratch: np.ndarray, other: np.ndarray, unit: str) -> dict:
    """Metric of error from scratch minus error of the other start, (seed,) each, the same seeds; positive is better.

    Raises ValueError for errors that are not pairs.
    """
    scratch, other = np.asarray(scratch, float), np.asarray(other, float)
    if scratch.shape != other.shape:
        raise ValueError(f"errors {scratch.shape} from scratch and {other.shape} of the other start, expected pairs")
    return metric.estimate(scratch - other, unit)


def smallest(gains: list[dict]) -> dict:
    """Metric of the smallest of several gains, to judge whether all of them are positive.

    Its interval is from the smallest lower to the smallest upper bound: it lies above zero where all gains do, and
    below where at least one does (an intersection-union test); it is unknown where one of theirs is. Raises
    ValueError for no gains.
    """
    if not gains:
        raise ValueError("no gains, expected at least one")
    least, known = min(gains, key=lambda g: g["value"]), all(g["low"] is not None for g in gains)
    low, high = (min(g[key] for g in gains) if known else None for key in ("low", "high"))
    tolerance = max(g["tolerance"] for g in gains)
    return metric.interval(least["value"], low, high, least["n"], least["unit"], tolerance)

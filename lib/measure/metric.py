"""One number of a metrics file: value, interval, how many runs it rests on, unit, and what a re-run may differ by."""

import json
import math
import os
from pathlib import Path

import numpy as np
from scipy.stats import t as student


DIGITS = 6  # significant digits in a metrics file
SPREAD = 3.0  # default tolerance in standard deviations over the runs


def t_interval(values, level: float = 0.95) -> tuple[float, float, float]:
    """Mean and two-sided t-interval of independent values; the interval is NaN when there is only one.

    values: (n,). Raises ValueError when there are none, or one is not finite.
    """
    values = np.asarray(values, dtype=float).ravel()
    if len(values) == 0:
        raise ValueError("no values to average, expected at least one")
    if not np.isfinite(values).all():
        raise ValueError(f"{(~np.isfinite(values)).sum()} of {len(values)} values are not finite: {values}")
    mean = values.mean()
    if len(values) == 1:
        return float(mean), float("nan"), float("nan")
    half = student.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(mean), float(mean - half), float(mean + half)


def estimate(values, unit: str = "", tolerance: float | None = None) -> dict:
    """A mean over seeds or folds with its 95 % t-interval, as one leaf of a metrics file.

    values: (n,) numbers; with n = 1 the interval is unknown (None). tolerance: what `make verify` accepts on
    another machine, in `unit`; by default three standard deviations of `values`. Raises ValueError for no values or
    values that are not finite.
    """
    values = np.asarray(values, dtype=float).ravel()
    mean, low, high = t_interval(values)
    if tolerance is None:
        tolerance = SPREAD * values.std(ddof=1) if len(values) > 1 else 0.0
    return leaf(mean, low, high, len(values), unit, tolerance)


def exact(value: float, unit: str = "", tolerance: float = 0.0) -> dict:
    """A number that has no spread over runs: a count, a bound, a deterministic measurement; it may be NaN or None."""
    return leaf(value, None, None, 1, unit, tolerance)


def interval(value: float, low: float, high: float, n: int, unit: str = "", tolerance: float = 0.0) -> dict:
    """A number whose interval was found elsewhere, by a bootstrap for example, over `n` resampled units."""
    return leaf(value, low, high, n, unit, tolerance)


def leaf(value, low, high, n: int, unit: str, tolerance: float) -> dict:
    """The six fields of a metric; NaN and infinity become None, because JSON has neither."""
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"tolerance {tolerance} of a metric, expected a finite number >= 0")
    number = lambda x: None if x is None or not math.isfinite(x) else float(x)  # noqa: E731
    return {
        "value": number(value),
        "low": number(low),
        "high": number(high),
        "n": int(n),
        "unit": unit,
        "tolerance": float(tolerance),
    }


def write(path: Path, metrics: dict) -> None:
    """Write nested metrics as JSON: keys sorted, 6 significant digits, atomically.

    Raises ValueError, before anything is written, for a branch that does not end in a metric.
    """
    path = Path(path)
    text = json.dumps(rounded(metrics), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def rounded(tree: dict, where: str = "metrics") -> dict:
    """The same tree with every float at 6 significant digits."""
    if not isinstance(tree, dict):
        raise ValueError(f"{where} is {tree!r}, expected a metric made by estimate, exact or interval")
    if "value" in tree:
        return {k: float(f"{v:.{DIGITS}g}") if isinstance(v, float) else v for k, v in tree.items()}
    return {str(k): rounded(v, f"{where}.{k}") for k, v in tree.items()}

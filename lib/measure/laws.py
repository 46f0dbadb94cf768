"""Metrics of a scaling study: which law its curve follows, and what larger steps along it gain."""

import numpy as np

from lib.measure import scaling
from lib.measure.metric import estimate, exact, interval
from lib.measure.scaling import Prediction
from lib.measure.stats import percentile_interval


def laws(sizes, losses, known: float, draws: int, seed: int = 0) -> dict:
    """Metrics of one curve, losses (n,) in units of sigma² at sizes (n,): every form's AICc, and the law with a floor.

    `pure_minus_floor` is the AICc of the pure law minus that of the law with a floor; `exponent` and
    `floor_above_known` are those of the latter. Intervals are 95 %, from draws of the runs (size, seed).
    """
    fits, drawn = (
        scaling.compare(sizes, losses, known),
        scaling.bootstrap(sizes, losses, (), "floor", known, draws, seed),
    )
    n = len(np.ravel(losses))

    def leaf(name: str, value: float, unit: str) -> dict:
        return interval(value, *percentile_interval(drawn[name]), n, unit, 3 * float(drawn[name].std()))

    return {
        "aicc": {form: exact(found.aicc, tolerance=5.0) for form, found in fits.items()},
        "pure_minus_floor": scaling.advantage(sizes, losses, known, draws, seed),
        "exponent": leaf("exponent", fits["floor"].exponent, ""),
        "floor_above_known": leaf("floor", fits["floor"].floor, "σ²"),
    }


def preferred(found: dict) -> str:
    """The form of the smallest AICc in what `laws` gave."""
    values = {form: leaf["value"] for form, leaf in found["aicc"].items() if leaf["value"] is not None}
    return min(values, key=values.get)


def summary(found: dict) -> dict[str, str]:
    """What `laws` gave as one row of a table: values with their intervals, and the criterion of every form."""
    numbers = {"exponent": "exponent", "floor above 2/n": "floor_above_known", "AICc pure - floor": "pure_minus_floor"}
    row = {name: "{value:.3g} ({low:.3g} to {high:.3g})".format(**found[entry]) for name, entry in numbers.items()}
    criteria = {f"AICc {form}": leaf["value"] for form, leaf in found["aicc"].items()}
    return row | {name: "too few runs" if value is None else f"{value:.1f}" for name, value in criteria.items()}


def judged(leaf: dict, sign: int = 1) -> str:
    """Whether a metric is positive (negative for sign = -1): "yes" or "no" on its whole interval, else "undecided"."""
    if leaf["low"] is None or leaf["high"] is None:
        return "undecided"
    low, high = sorted((sign * leaf["low"], sign * leaf["high"]))
    return "yes" if low > 0 else "no" if high <= 0 else "undecided"


def foretold(told: Prediction, n: int, seeds: int) -> dict:
    """Metrics of a prediction: loss foretold, error relative to the loss found, and |error| minus seed spread in σ²."""
    off, half = told.predicted - told.found, (told.high - told.low) / 2
    missed = abs(off) - told.spread
    return {
        "predicted": interval(told.predicted, told.low, told.high, n, "σ²", 3 * half),
        "error_percent": exact(100 * told.error, unit="%", tolerance=300 * half / told.found),
        "error_minus_spread": interval(missed, missed - half, missed + half, seeds, "σ²", 3 * half),
    }


def change(losses: dict, values: list) -> dict:
    """Loss at the last value of an axis minus that at the first, paired by seed. losses: value -> (seed,)."""
    return estimate(np.subtract(losses[values[-1]], losses[values[0]]), unit="σ²")


def doublings(losses: dict, values: list) -> dict | None:
    """Gain of the first doubling of an axis minus that of the last, paired by seed; None where it has not two.

    losses: value -> (seed,). A gain is what the loss falls by.
    """
    pairs = [(a, 2 * a) for a in values if 2 * a in losses]
    if len(pairs) < 2:
        return None
    first, last = (np.subtract(losses[a], losses[b]) for a, b in (pairs[0], pairs[-1]))
    return estimate(first - last, unit="σ²")


def difference_over_spread(one: dict, other: dict) -> dict:
    """Size of the mean difference of two curves value -> (seed,), minus the spread from seed to seed.

    The difference is paired by point and seed and averaged over the points; its interval is over seeds. The spread is
    the standard deviation over seeds of one run, pooled over all points of both.
    """
    values = [value for value in one if value in other]
    apart = np.mean([np.subtract(one[v], other[v]) for v in values], axis=0)
    spread = np.sqrt(np.mean([np.var(curve[v], ddof=1) for curve in (one, other) for v in values]))
    return estimate(np.sign(apart.mean()) * apart - spread, unit="σ²")

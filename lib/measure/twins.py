"""Scores of encoders that differ in one thing alone, such as what they were pre-trained on, seed by seed."""

from dataclasses import dataclass

import numpy as np

from lib.measure import paired
from lib.measure.metric import SPREAD, interval
from lib.measure.retrieval import group_bootstrap
from lib.measure.stats import percentile_interval


@dataclass(frozen=True)
class Score:
    """What one arm reached at one task.

    table: (unit, seed), whatever the units are that it was asked. draws: (draws,) means of it over redrawn units and
    seeds, the same ones for every arm. larger: whether a larger value is better.
    """

    table: np.ndarray
    draws: np.ndarray
    unit: str = ""
    larger: bool = True

    def metric(self) -> dict:
        """Mean with its bootstrap interval; a re-run may differ by three standard deviations over seeds."""
        seeds = self.table.mean(0)
        spread = seeds.std(ddof=1) if len(seeds) > 1 else self.draws.std(ddof=1)
        low, high = percentile_interval(self.draws)
        return interval(self.table.mean(), low, high, self.table.size, self.unit, SPREAD * float(spread))

    def gain(self, other: "Score") -> dict:
        """A metric: by how much better this arm is, positive where it is; paired by unit, seed and draw."""
        new, old = (self, other) if self.larger else (other, self)
        unit = "points" if self.unit == "%" else self.unit
        return paired.difference(new.table, old.table, new.draws, old.draws, unit)


def of_items(
    values: np.ndarray, groups: np.ndarray, draws: int, unit: str = "", larger: bool = True, seed: int = 0
) -> Score:
    """Score of values (seed, item), one for each of many items; groups (item,) of them are redrawn, and seeds.

    Items that are NaN for every seed were not asked.
    """
    asked = ~np.isnan(values).all(0)
    drawn = group_bootstrap(values[:, asked], groups[asked], draws, seed)
    return Score(values[:, asked].T, drawn, unit, larger)


def mean_of(scores: list[Score]) -> Score:
    """Mean over tasks of one kind, each counted once: tables (1, seed), and draw by draw."""
    table = np.mean([score.table.mean(0, keepdims=True) for score in scores], axis=0)
    return Score(table, np.mean([score.draws for score in scores], axis=0), scores[0].unit, scores[0].larger)


def verdict(gain: dict) -> str:
    """The word for a gain whose interval lies above zero, below it, or around it."""
    return paired.verdict(gain, "better than", "worse than", "not distinguishable from")


def level(leaf: dict) -> str:
    """Value and interval of a metric, for a table: "1.93 (1.9 to 1.95)"."""
    value, low, high = (float("nan") if leaf[k] is None else leaf[k] for k in ("value", "low", "high"))
    return f"{value:.3g} ({low:.3g} to {high:.3g})"

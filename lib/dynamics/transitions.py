"""Transitions that were really seen: from core to core, recrossings of a boundary not counted (milestoning)."""

import numpy as np
from scipy.stats import chi2

from lib.dynamics.validation import MarkovModel


CORE = 0.8  # least membership of a cluster in the core of a state
FEW = 10  # transitions, below which a rate is known to a factor of two at best


def core_clusters(model: MarkovModel, least: float = CORE) -> np.ndarray:
    """(connected cluster,) bool, whether it lies in the core of its state: its membership is at least `least`.

    A state without such a cluster has its best one as core.
    """
    best, assigned = model.memberships.max(1), model.memberships.argmax(1)
    inside = np.zeros(len(best), bool)
    for state in np.unique(assigned):
        own = assigned == state
        inside[own] = best[own] >= min(least, best[own].max())
    return inside


def cores(model: MarkovModel) -> list[np.ndarray]:
    """(frame,) state whose core each frame is in, -1 between cores, one entry a trajectory."""
    of_cluster = np.full(1 + max(int(c.max()) for c in model.clusters), -1)
    inside = core_clusters(model)
    active = model.posterior.prior.count_model.state_symbols
    of_cluster[active[inside]] = model.memberships.argmax(1)[inside]
    return [of_cluster[c] for c in model.clusters]


def last_core(core: np.ndarray) -> np.ndarray:
    """(frame,) the core that each frame is in or was in last; -1 before the first visit."""
    latest = np.maximum.accumulate(np.where(core >= 0, np.arange(len(core)), -1))
    return np.where(latest >= 0, core[latest], -1)


def count_transitions(core: list[np.ndarray], states: int) -> np.ndarray:
    """(state, state) passages from the core of one state to that of another; none across a file boundary."""
    counts = np.zeros((states, states), int)
    for each in core:
        visited = last_core(each)
        visited = visited[visited >= 0]
        changes = np.flatnonzero(np.diff(visited))
        np.add.at(counts, (visited[changes], visited[changes + 1]), 1)
    return counts


def passages(core: list[np.ndarray], start: int, end: int) -> tuple[int, int]:
    """How often `end` was reached after `start`, through whatever lies between, and the frames spent underway or there.

    Count over frames is the rate that was seen, 1/frame, without any model.
    """
    two = [np.where((c == start) | (c == end), c, -1) for c in core]
    count = sum(count_transitions([t], max(start, end) + 1)[start, end] for t in two)
    return int(count), int(sum((last_core(t) == start).sum() for t in two))


def poisson_interval(count: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of the expected number where `count` events were seen (Garwood 1936)."""
    tail = (1 - level) / 2
    low = chi2.ppf(tail, 2 * count) / 2 if count else 0.0
    return float(low), float(chi2.ppf(1 - tail, 2 * count + 2) / 2)

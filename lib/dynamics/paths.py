"""Passage times, rates and transition paths between the states of a Markov model, by deeptime, with its posterior.

Transition path theory: Metzner, Schütte & Vanden-Eijnden 2009; for Markov models Noé et al. 2009 (eqs. 2-7).
"""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from deeptime.markov.msm import MarkovStateModel
from threadpoolctl import threadpool_limits

from lib.dynamics.transitions import core_clusters
from lib.dynamics.validation import MarkovModel
from lib.measure.stats import percentile_interval


FRACTION = 0.99  # of the flux that the listed paths carry


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval over the posterior."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Transition:
    """From state `start` to state `end`. rate: 1/frame, from core to core.

    paths: (states on the way, part of the flux), the strongest first. flux: (state, state) net flux, 1/frame.
    committor: (state,) mean probability to reach the core of `end` before that of `start`.
    """

    start: int
    end: int
    rate: Estimate
    paths: list[tuple[tuple[int, ...], float]]
    flux: np.ndarray
    committor: np.ndarray


def sets(model: MarkovModel) -> list[np.ndarray]:
    """Connected clusters of each state; ValueError for a state to which none belongs most."""
    assigned = model.memberships.argmax(1)
    found = [np.flatnonzero(assigned == s) for s in range(model.memberships.shape[1])]
    empty = [s + 1 for s, clusters in enumerate(found) if len(clusters) == 0]
    if empty:
        raise ValueError(f"no cluster belongs most to state {empty[0]}, expected one for each: choose fewer states")
    return found


def core_sets(model: MarkovModel) -> list[np.ndarray]:
    """Connected clusters in the core of each state: passages from core to core are what a trajectory shows as well."""
    return [own[core_clusters(model)[own]] for own in sets(model)]


def estimate(model: MarkovModel, of) -> Estimate:
    """A number `of` a deeptime model: of the most likely one, and its interval over the posterior."""
    with threadpool_limits(1):
        draws = [of(sample) for sample in model.posterior.samples]
        return Estimate(float(of(model.posterior.prior)), *percentile_interval(draws))


def populations(model: MarkovModel) -> list[Estimate]:
    """Stationary probability of each state."""
    return [estimate(model, lambda m, s=s: m.stationary_distribution[s].sum()) for s in sets(model)]


def passage_times(model: MarkovModel) -> dict[tuple[int, int], Estimate]:
    """(start, end) -> mean first passage time, frames, from the core of a state, as populated, to that of another."""
    own = core_sets(model)
    pairs = [(i, j) for i in range(len(own)) for j in range(len(own)) if i != j]
    return {(i, j): estimate(model, lambda m, i=i, j=j: m.mfpt(own[i], own[j])) for i, j in pairs}


def farthest(model: MarkovModel) -> tuple[int, int]:
    """The two states at the ends of the slowest process, the more populated one first."""
    msm = model.posterior.prior
    slowest, weight = msm.eigenvectors_right(2)[:, 1], msm.stationary_distribution
    mean = [np.average(slowest[s], weights=weight[s]) for s in sets(model)]
    ends = [int(np.argmin(mean)), int(np.argmax(mean))]
    return tuple(sorted(ends, key=lambda s: -model.populations[s]))


def transition(model: MarkovModel, start: int, end: int) -> Transition:
    """Rate and dominant paths between two states; ValueError where they are the same."""
    if start == end:
        raise ValueError(f"a transition from state {start + 1} to itself, expected two states")
    cores, whole = core_sets(model), [set(s) for s in sets(model)]

    def rate(msm: MarkovStateModel) -> float:
        return msm.reactive_flux(cores[start], cores[end]).rate / msm.lagtime

    with threadpool_limits(1):
        fine = model.posterior.prior.reactive_flux(cores[start], cores[end])
        # deeptime cuts the states of start and end into core and shell
        found, coarse = fine.coarse_grain(whole)
        ways, strength = coarse.pathways(fraction=FRACTION)
    of = [next(s for s, clusters in enumerate(whole) if piece <= clusters) for piece in found]
    paths: dict[tuple[int, ...], float] = {}
    for way, part in zip(ways, strength):
        states = tuple(state for state, _ in groupby(of[i] for i in way))
        paths[states] = paths.get(states, 0.0) + float(part / coarse.total_flux)
    flux, committor, weight = np.zeros((len(whole),) * 2), np.zeros(len(whole)), coarse.stationary_distribution
    np.add.at(flux, tuple(np.meshgrid(of, of, indexing="ij")), np.asarray(coarse.net_flux) / model.lag)
    np.fill_diagonal(flux, 0)
    np.add.at(committor, of, weight * coarse.forward_committor)
    committor /= np.bincount(of, weight)
    ordered = sorted(paths.items(), key=lambda item: -item[1])
    return Transition(start, end, estimate(model, rate), ordered, flux, committor)

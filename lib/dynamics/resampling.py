"""Timescales of a Markov model on redrawn blocks of the trajectories: an interval that no prior can move.

With few counts for many clusters the flat prior of a Bayesian model pulls its samples away from the estimate; a
bootstrap redraws what was seen. Blocks, because counts from neighbouring frames are not independent.
"""

import numpy as np
from deeptime.markov import TransitionCountEstimator, TransitionCountModel
from deeptime.markov.msm import MaximumLikelihoodMSM
from threadpoolctl import threadpool_limits

from lib.measure.stats import block_bootstrap


BLOCKS = 40  # of all trajectories together, about


def block_counts(clusters: list[np.ndarray], lag: int, block: int) -> np.ndarray:
    """(block, cluster, cluster) transitions at a lag in frames, by the block of frames that they start in.

    clusters: list of (frame,) ints, one entry a trajectory; what is left over at its end makes a shorter block.
    """
    size, counts = 1 + max(int(c.max()) for c in clusters), []
    for labels in clusters:
        for start in range(0, len(labels) - lag, block):
            stop = min(start + block, len(labels) - lag)
            pairs = labels[start:stop] * size + labels[start + lag : stop + lag]
            counts.append(np.bincount(pairs, minlength=size**2).reshape(size, size))
    if len(counts) < 2:
        raise ValueError(
            f"{len(counts)} blocks of {block} frames at a lag of {lag}, expected at least 2 to redraw from"
        )
    return np.array(counts)


def reversible_timescales(counts: np.ndarray, lag: int, processes: int) -> np.ndarray:
    """(process,) implied timescales, frames, of the most likely reversible model of the largest connected set.

    NaN where the set has fewer processes.
    """
    connected = TransitionCountModel(counts.astype(float), lagtime=lag).submodel_largest()
    if connected.n_states < 2:
        return np.full(processes, np.nan)
    found = MaximumLikelihoodMSM().fit_fetch(connected).timescales()[:processes]
    return np.pad(found, (0, processes - len(found)), constant_values=np.nan)


def likely_timescales(clusters: list[np.ndarray], lag: int, processes: int) -> np.ndarray:
    """(process,) implied timescales, frames, of the most likely reversible model of clusters (frame,)."""
    with threadpool_limits(1):
        counts = TransitionCountEstimator(lag, "sliding").fit_fetch(clusters).count_matrix
        return reversible_timescales(counts, lag, processes)


def bootstrap_markov(
    clusters: list[np.ndarray], lag: int, processes: int, draws: int = 50, seed: int = 0
) -> np.ndarray:
    """(draws, process) implied timescales, frames, of Markov models of clusters (frame,) on redrawn blocks.

    A block is longer than the lag; about 40 of them where the data allow. lag in frames.
    """
    pairs = sum(max(0, len(c) - lag) for c in clusters)
    counts = block_counts(clusters, lag, max(lag + 1, pairs // BLOCKS))
    with threadpool_limits(1):
        return block_bootstrap(
            [len(counts)], lambda chosen: reversible_timescales(counts[chosen[0]].sum(0), lag, processes), draws, seed
        )

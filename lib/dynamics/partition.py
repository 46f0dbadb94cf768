"""How good is a partition of frames into states? Measures that need no reference: GMRQ, entropy, agreement of fits."""

from itertools import combinations

import numpy as np
from deeptime.markov import TransitionCountEstimator
from deeptime.markov.msm import MaximumLikelihoodMSM
from scipy.stats import entropy
from sklearn.metrics import adjusted_rand_score, davies_bouldin_score


def gmrq(train: list[np.ndarray], test: list[np.ndarray], lag: int, processes: int) -> float:
    """Generalised matrix Rayleigh quotient of the slowest processes, the stationary one included, on held-out labels.

    train, test: lists of (frame,) int states; lag in frames. The eigenvectors V of a reversible MSM of `train` are
    judged by the symmetrised counts C of `test`, S = diag(row sums of C): tr[(V' S V)^-1 V' C V] (McGibbon & Pande
    2015, doi 10.1063/1.4916292, eq. 12). At most `processes`, which is reached by processes that never decay; for long
    data it is the sum of the leading eigenvalues. Frames in states that training does not connect are left
    out. Raises ValueError where fewer than `processes` states are connected, or no pair of the test joins two of them.
    """
    msm = MaximumLikelihoodMSM(reversible=True, lagtime=lag).fit_fetch(train)
    symbols = msm.count_model.state_symbols
    if len(symbols) < processes:
        raise ValueError(f"{len(symbols)} states are connected at lag {lag}, expected at least {processes}")
    pairs = TransitionCountEstimator(lag, "sliding", n_states=1 + max(int(x.max()) for x in [*train, *test]))
    counts = np.asarray(pairs.fit_fetch(test).count_matrix)[np.ix_(symbols, symbols)]
    if not counts.any():
        raise ValueError(f"the test labels hold no pair of the {len(symbols)} states at lag {lag}")
    symmetric = (counts + counts.T) / (2 * counts.sum())
    vectors = msm.eigenvectors_right(processes)
    overlap = vectors.T @ (symmetric.sum(1)[:, None] * vectors)
    return float(np.trace(np.linalg.pinv(overlap, hermitian=True) @ vectors.T @ symmetric @ vectors))


def separation(means: list[np.ndarray], labels: list[np.ndarray]) -> float:
    """Davies-Bouldin index of states (frame,) in a plane (frame, outputs): 0 for points far apart, the less the better.

    NaN for a single state.
    """
    joined = np.concatenate(labels)
    return float(davies_bouldin_score(np.concatenate(means), joined)) if len(np.unique(joined)) > 1 else float("nan")


def agreement(fits: list[list[np.ndarray]]) -> np.ndarray:
    """Adjusted Rand index of every pair of fits, each a list of (frame,) states: 1 for the same, 0 for chance."""
    joined = [np.concatenate(labels) for labels in fits]
    return np.array([adjusted_rand_score(a, b) for a, b in combinations(joined, 2)])


def quality(labels: list[np.ndarray], means: list[np.ndarray], test: int, lag: int, processes: int = 2) -> dict:
    """GMRQ on trajectory `test`, entropy (nats) and Davies-Bouldin index of a fit; NaN for a GMRQ that does not exist.

    labels: list of (frame,) int states of all trajectories; means: list of (frame, outputs); lag in frames.
    """
    try:
        held_out = gmrq([x for i, x in enumerate(labels) if i != test], [labels[test]], lag, processes)
    except ValueError:
        held_out = float("nan")
    populations = np.bincount(np.concatenate(labels)) / sum(map(len, labels))
    return {"gmrq": held_out, "entropy": float(entropy(populations)), "davies_bouldin": separation(means, labels)}

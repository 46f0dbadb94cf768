"""Fine partitions of outputs (frame, k) by deeptime: clusters for a Markov model, initial labels for SPIB."""

import warnings

import numpy as np
from deeptime.clustering import KMeans, RegularSpace
from threadpoolctl import threadpool_limits


def kmeans(outputs: list[np.ndarray], clusters: int, seed: int = 0, sample: int | None = None) -> list[np.ndarray]:
    """k-means: the cluster (frame,) of each frame of outputs (frame, k), one list entry a trajectory.

    sample: how many frames, evenly spaced, decide where the centres lie; None for all.
    """
    joined = np.concatenate(outputs)
    stride = -(-len(joined) // (sample or len(joined)))
    with threadpool_limits(1):
        with warnings.catch_warnings():
            # It warns of no convergence; any fine partition serves, this one need not be optimal.
            warnings.simplefilter("ignore")
            estimator = KMeans(clusters, max_iter=100, fixed_seed=seed, n_jobs=1)
            clustering = estimator.fit_fetch(joined[::stride])
        return [clustering.transform(np.ascontiguousarray(o), n_jobs=1) for o in outputs]


def regular_space(outputs: list[np.ndarray], distance: float, most: int = 1000) -> list[np.ndarray]:
    """Centres at least `distance` apart: the cluster (frame,) of each frame of outputs (frame, k).

    Raises ValueError when more than `most` centres would be needed.
    """
    joined = np.concatenate(outputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of too many centres, which is an error here
        clustering = RegularSpace(dmin=distance, max_centers=most + 1, n_jobs=1).fit_fetch(joined)
    if len(clustering.cluster_centers) > most:
        raise ValueError(f"more than {most} centres lie {distance:g} apart, expected a larger distance")
    return [clustering.transform(np.ascontiguousarray(o), n_jobs=1) for o in outputs]

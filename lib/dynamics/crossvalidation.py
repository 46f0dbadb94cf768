"""Whole trajectories held out: each is the test set once, and every seed gives one fit per test trajectory."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed

from lib.dynamics.buffers import part
from lib.dynamics.vamp import batch_mean_score, cross_validated_score, rewhitened_score
from lib.dynamics.vampnet import Fit, Lobe, Network, Settings, fit, inner_split, transform
from lib.threads import single_thread


INNER = 0.2  # last contiguous part of each training trajectory, for early stopping


@dataclass
class Fold:
    """One fit and its scores on the trajectory that it never saw.

    rewhitened: the functions on new data, whitened anew. cross_validated: training singular functions under test
    covariances. batch_mean: the biased estimator of the geom2vec scripts. All VAMP-2, +1 included. outputs: list of
    (frame, k), one per trajectory of the system, the held-out one included.
    """

    test: int
    seed: int
    fit: Fit
    rewhitened: float
    cross_validated: float
    batch_mean: float
    outputs: list[np.ndarray]


def blocks(trajectories: list[np.ndarray], count: int, gap: int) -> list[np.ndarray]:
    """Each trajectory cut into `count` contiguous parts, `gap` frames apart, to be held out as trajectories are.

    For a single long trajectory, in time halves as in P2 (count = 2) or more. A gap of at least the lag keeps any pair
    of one part from touching another. Raises ValueError for a trajectory that is too short.
    """
    cut = []
    for trajectory in trajectories:
        length = (len(trajectory) - gap * (count - 1)) // count
        if count < 1 or length <= gap:
            raise ValueError(f"{len(trajectory)} frames cannot hold {count} parts longer than the gaps of {gap} frames")
        cut += [part(trajectory, i * (length + gap), i * (length + gap) + length) for i in range(count)]
    return cut


def sides(parts: list, test: int) -> tuple[list, list]:
    """All parts but number `test`, and that one."""
    return [p for i, p in enumerate(parts) if i != test], [parts[test]]


def scored(result: Fit, test: int, seed: int, parts: list, sides: Callable, lag: int, batch: int) -> Fold:
    """The fold of a fit by its outputs for all parts (frame, ...); a score that does not exist fails it.

    sides: outputs of all parts -> those of the training and of the test parts.
    """
    with single_thread():
        outputs = transform(result.lobe, parts)
        known, tested = sides(outputs)
        try:
            scores = (
                rewhitened_score(tested, lag),
                cross_validated_score(known, tested, lag),
                batch_mean_score(tested, lag, batch),
            )
        except (ArithmeticError, ValueError) as error:
            result.failed = result.failed or f"test: {error}"
            scores = (float("nan"),) * 3
    return Fold(test, seed, result, *scores, outputs)


def held_out(
    features: list[np.ndarray],
    lag: int,
    test: int,
    seed: int,
    settings: Settings,
    batch: int,
    network: Network = Lobe,
) -> Fold:
    """Fit on all trajectories but `test`, and score there.

    features: list of (frame, ...) float32; lag in frames; batch: pairs in a batch of the authors' estimator; network:
    makes the lobe, see `vampnet.fit`. The training trajectories give their last 20 % to early stopping, after a gap of
    one lag.
    """
    if len(features) < 2 or not 0 <= test < len(features):
        raise ValueError(f"test trajectory {test} of {len(features)}, expected one of at least two")
    train, _ = sides(features, test)
    result = fit(*inner_split(train, INNER, lag), lag, seed, settings, network=network)
    return scored(result, test, seed, features, lambda outputs: sides(outputs, test), lag, batch)


def cross_validate(
    features: list[np.ndarray],
    lag: int,
    seeds: list[int],
    settings: Settings,
    batch: int = 1000,
    jobs: int = -1,
    network: Network = Lobe,
) -> list[Fold]:
    """All folds of all seeds, ordered by seed and then by test trajectory.

    Fits run in `jobs` processes with one thread each, so that no number depends on how many there are.
    """
    tasks = [(test, seed) for seed in seeds for test in range(len(features))]
    parallel = Parallel(n_jobs=jobs)
    return parallel(delayed(held_out)(features, lag, test, seed, settings, batch, network) for test, seed in tasks)


def by_trajectory(folds: list[Fold], score: str = "rewhitened") -> np.ndarray:
    """(trajectory, seed) array of one score."""
    tests, seeds = sorted({f.test for f in folds}), sorted({f.seed for f in folds})
    table = np.full((len(tests), len(seeds)), np.nan)
    for f in folds:
        table[tests.index(f.test), seeds.index(f.seed)] = getattr(f, score)
    return table


def failure_rate(folds: list[Fold]) -> float:
    """The part of the fits that diverged or learned nothing; to be reported beside every mean score."""
    return float(np.mean([bool(fold.fit.failed) for fold in folds]))

"""What a simple model reads off frozen features: ridge regression and nearest neighbours, whole trajectories held out.

Nothing of a held-out trajectory is used, not for the scale of the features nor for the strength of the penalty.
"""

from collections.abc import Callable

import numpy as np
from scipy.linalg import eigh
from sklearn.neighbors import NearestNeighbors

from lib.measure.stats import block_bootstrap


PENALTIES = 10.0 ** np.arange(-7, 3)  # of the ridge, in units of the largest eigenvalue of the features' covariance
NEIGHBOURS = (1, 5, 20)
CONSTANT = 1e-6  # a feature that varies less than this part of the most variable, or of the largest, one is left out

Predict = Callable[[np.ndarray], np.ndarray]
Fit = Callable[[list[np.ndarray], list[np.ndarray]], Predict]


def held_out(features: list[np.ndarray], targets: list[np.ndarray], fit: Fit) -> list[np.ndarray]:
    """Predictions (frame, k) for every trajectory, by a model fitted on all the others.

    features: (frame, d) and targets: (frame, k), one of each a trajectory. Raises ValueError for fewer than two
    trajectories or unequal lengths.
    """
    if len(features) < 2:
        raise ValueError(f"{len(features)} trajectories, expected at least 2: one is held out")
    if [len(f) for f in features] != [len(t) for t in targets]:
        raise ValueError(f"{[len(f) for f in features]} frames of features and {[len(t) for t in targets]} of targets")
    others = lambda each, test: [x for i, x in enumerate(each) if i != test]  # noqa: E731
    return [fit(others(features, i), others(targets, i))(features[i]) for i in range(len(features))]


def ridge(features: list[np.ndarray], targets: list[np.ndarray]) -> Predict:
    """Ridge regression on standardised features, for each target with the penalty that predicts best inside.

    Inside: each training trajectory is left out once; a single one is cut into halves. Lists of (frame, d) and
    (frame, k).
    """
    loss = 0
    for x, y, held, truth in inner(features, targets):
        loss = loss + np.stack([_squared(p, truth).sum(0) for p in _ridge(x, y)(held, PENALTIES[:, None])])
    predict, penalty = _ridge(features, targets), PENALTIES[loss.argmin(0)]
    return lambda x: predict(x, penalty[None])[0]


def knn(features: list[np.ndarray], targets: list[np.ndarray]) -> Predict:
    """Mean over the nearest training frames in standardised features; their number is chosen inside, as in `ridge`."""
    loss = 0
    for x, y, held, truth in inner(features, targets):
        predict = _knn(x, y)
        loss = loss + np.stack([_squared(found, truth).sum() for found in predict(held, NEIGHBOURS)])
    predict, best = _knn(features, targets), NEIGHBOURS[int(np.argmin(loss))]
    return lambda x: predict(x, [best])[0]


def projected(project: Callable[[list[np.ndarray]], Predict], fit: Fit) -> Fit:
    """`fit` on a projection that is itself fitted on the training trajectories alone."""

    def composed(features, targets):
        down = project(features)
        predict = fit([down(f) for f in features], targets)
        return lambda x: predict(down(x))

    return composed


def inner(features: list[np.ndarray], targets: list[np.ndarray]):
    """(features, targets, held-out features, held-out targets) for every part left out once; one part is halved."""
    if len(features) == 1:
        features, targets = ([part for x in each for part in np.array_split(x, 2)] for each in (features, targets))
    for i in range(len(features)):
        kept = [j for j in range(len(features)) if j != i]
        yield [features[j] for j in kept], [targets[j] for j in kept], features[i], targets[i]


class Scale:
    """Centre and scale of training features (frame, d); nearly constant columns are dropped."""

    def __init__(self, features: list[np.ndarray]):
        joined = np.concatenate(features).astype(np.float64)
        self.mean, spread = joined.mean(0), joined.std(0)
        self.kept = spread > CONSTANT * max(spread.max(), np.abs(self.mean).max())
        self.kept[0] |= not self.kept.any()  # features that say nothing are one constant column
        self.spread = np.where(spread > 0, spread, 1)[self.kept]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return (x.astype(np.float64) - self.mean)[:, self.kept] / self.spread


def _ridge(features, targets) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Predictions (p, frame, k) from new features and penalties (p, 1) or (p, k); one eigendecomposition for all."""
    scale, y = Scale(features), np.concatenate(targets).astype(np.float64)
    x, mean = scale(np.concatenate(features)), y.mean(0)
    dual = len(x) < x.shape[1]  # fewer frames than features: the smaller of two equal problems
    value, vector = eigh(x @ x.T if dual else x.T @ x, check_finite=False, driver="evd")
    if dual:
        kept = value > 1e-12 * value[-1]
        value, vector = value[kept], x.T @ (vector[:, kept] / np.sqrt(value[kept]))
    target, largest = vector.T @ (x.T @ (y - mean)), max(value.max(initial=0), 1e-12)

    def predict(new, penalties):
        turned = scale(new) @ vector
        return np.stack([mean + turned @ (target / (value[:, None] + p * largest)) for p in penalties])

    return predict


def _knn(features, targets) -> Callable[[np.ndarray, list[int]], list[np.ndarray]]:
    """Predictions (frame, k) from new features, one for each number of neighbours asked for."""
    scale = Scale(features)
    single = lambda x: scale(x).astype(np.float32)  # noqa: E731  twice as fast, and distances need no more
    x, y = single(np.concatenate(features)), np.concatenate(targets)
    search = NearestNeighbors(algorithm="brute").fit(x)

    def predict(new, numbers):
        near = search.kneighbors(single(new), min(max(numbers), len(x)), return_distance=False)
        return [y[near[:, :n]].mean(1) for n in numbers]

    return predict


def _squared(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.square(found - truth)


def sums(predictions: list[np.ndarray], targets: list[np.ndarray], block: int) -> list[np.ndarray]:
    """For every trajectory (block, 4, k): frames, sum of the targets, of their squares, of squared errors.

    block: in frames; a last block that is not full joins the one before. Raises ValueError for fewer than two.
    """
    found = []
    for p, y in zip(predictions, targets):
        count = len(y) // block
        if count < 2:
            raise ValueError(f"{len(y)} frames make {count} blocks of {block} frames, expected at least 2")
        rows = np.stack([np.ones_like(y), y, y**2, _squared(p, y)], axis=1).astype(np.float64)
        found.append(np.add.reduceat(rows, block * np.arange(count), axis=0))
    return found


def variance_explained(total: np.ndarray) -> float:
    """R² of all columns together from summed `sums` (4, k): 1 - squared error / variance about the mean."""
    n, first, second, error = total
    return float(1 - error.sum() / (second - first**2 / n).sum())


def bootstrap(parts: list[list[np.ndarray]], draws: int, seed: int = 0) -> np.ndarray:
    """(draws,) R², blocks of each trajectory redrawn; with several runs of one kind the mean, runs redrawn too.

    parts: `sums` of each run. The same seed redraws the same blocks, however many runs: draws of two features are
    paired.
    """
    strata, random = [len(blocks) for blocks in parts[0]], np.random.default_rng([seed, 1])

    def statistic(chosen):
        runs = random.integers(len(parts), size=len(parts))  # of their own: any number of runs sees the same blocks
        once = {i: variance_explained(sum(b[c].sum(0) for b, c in zip(parts[i], chosen))) for i in set(runs)}
        return float(np.mean([once[i] for i in runs]))

    return block_bootstrap(strata, statistic, draws, seed)


def score(parts: list[list[np.ndarray]]) -> float:
    """R² over all frames of all held-out trajectories, the mean over runs; parts as in `bootstrap`."""
    return float(np.mean([variance_explained(sum(b.sum(0) for b in run)) for run in parts]))

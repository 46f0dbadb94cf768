"""Fits that see only a part of their training trajectories, scored on the whole of the one that they never saw."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from joblib import Parallel, delayed

from lib.dynamics.buffers import part
from lib.dynamics.crossvalidation import INNER, Fold
from lib.dynamics.spib import renumbered
from lib.dynamics.vamp import rewhitened_score
from lib.dynamics.vampnet import Lobe, Network, Settings, fit, inner_split, transform
from lib.threads import single_thread


MANY = 5  # pieces from which on whole ones, and not the end of each, decide when to stop

Choice = Callable[[list], list]  # of training trajectories -> of what is trained on


def first_part(trajectories: list[np.ndarray], fraction: float) -> list[np.ndarray]:
    """The first `fraction` of each trajectory. Raises ValueError for one outside (0, 1]."""
    if not 0 < fraction <= 1:
        raise ValueError(f"a fraction of {fraction:g} of the frames, expected more than 0 and at most 1")
    return [part(t, 0, round(fraction * len(t))) for t in trajectories]


def pieces(trajectories: list[np.ndarray], frames: int, count: int) -> list[np.ndarray]:
    """`count` contiguous pieces of `frames` in all, spread evenly over the trajectories; one is the first's beginning.

    They start from the distribution that the trajectories have. Raises ValueError where they would overlap.
    """
    size, share = frames // count, -(-count // len(trajectories))
    if count < 1 or size < 1 or share * size > min(map(len, trajectories)):
        raise ValueError(
            f"{count} pieces of {size} frames, expected some that fit into {len(trajectories)} trajectories of "
            f"{min(map(len, trajectories))}"
        )
    found = []
    for i in range(count):
        place, trajectory = divmod(i, len(trajectories))
        start = place * len(trajectories[trajectory]) // share
        found.append(part(trajectories[trajectory], start, start + size))
    return found


def stopping_split(chosen: list[np.ndarray], lag: int) -> tuple[list, list]:
    """What trains and what decides when to stop: the last fifth of each piece, or of many every fifth as a whole."""
    if len(chosen) < MANY:
        return inner_split(chosen, INNER, lag)
    return [c for i, c in enumerate(chosen) if i % MANY != MANY - 1], chosen[MANY - 1 :: MANY]


def subset_fold(
    features: list[np.ndarray],
    lag: int,
    test: int,
    seed: int,
    settings: Settings,
    choose: Choice,
    every: int = 1,
    network: Network = Lobe,
) -> Fold:
    """Fit on `choose` of all trajectories but `test`, of which every `every`-th frame is kept, and score on all of it.

    lag in frames of the features. Epochs and patience grow as the frames become fewer, so that all fits take about the
    same number of steps. Of the scores only the re-whitened one is computed. Raises ValueError when `every` does not
    divide the lag.
    """
    if every < 1 or lag % every:
        raise ValueError(f"every {every} frames at a lag of {lag}, expected a divisor of the lag")
    whole = [f for i, f in enumerate(features) if i != test]
    chosen = [np.asarray(c)[::every] for c in choose(whole)]
    more = sum(map(len, whole)) / sum(map(len, chosen))
    longer = replace(settings, epochs=math.ceil(settings.epochs * more), patience=math.ceil(settings.patience * more))
    result = fit(*stopping_split(chosen, lag // every), lag // every, seed, longer, network=network)
    with single_thread():
        outputs = transform(result.lobe, features)
        try:
            score = rewhitened_score([outputs[test]], lag)
        except (ArithmeticError, ValueError) as error:
            result.failed, score = result.failed or f"test: {error}", float("nan")
    return Fold(test, seed, result, score, float("nan"), float("nan"), outputs)


def subset_folds(
    features: list[np.ndarray],
    lag: int,
    seeds: list[int],
    settings: Settings,
    choose: Choice,
    every: int = 1,
    jobs: int = -1,
) -> list[Fold]:
    """All folds of all seeds, ordered as those of `cross_validate`; `choose` must be picklable."""
    tasks = [(test, seed) for seed in seeds for test in range(len(features))]
    return Parallel(n_jobs=jobs)(
        delayed(subset_fold)(features, lag, test, seed, settings, choose, every) for test, seed in tasks
    )


def shared_labels(labels: list[np.ndarray]) -> list[np.ndarray]:
    """Labels (frame,) int64 from 0 on, that every trajectory visits; frames of other labels join the commonest one.

    So that a model may be trained on any of the trajectories and asked about any other. Raises ValueError where fewer
    than two labels are left.
    """
    visited = sorted(set.intersection(*(set(np.unique(x).tolist()) for x in labels)))
    if len(visited) < 2:
        raise ValueError(f"{len(visited)} labels are visited by every trajectory, expected at least two")
    commonest = max(visited, key=np.bincount(np.concatenate(labels)).__getitem__)
    return renumbered([np.where(np.isin(x, visited), x, commonest) for x in labels])[0]

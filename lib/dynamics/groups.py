"""Held-out groups of trajectories of unequal length, or blocks of a single one, and how sure their scores are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from joblib import Parallel, delayed

from lib.dynamics.buffers import part
from lib.dynamics.crossvalidation import INNER, Fold, scored
from lib.dynamics.uncertainty import moment_score, products
from lib.dynamics.vamp import paired
from lib.dynamics.vampnet import Lobe, Network, Settings, fit, inner_split
from lib.dynamics.views import thinned
from lib.measure.stats import block_bootstrap


BLOCKS = 10  # of a bootstrap in each group, or more: fewer say little


@dataclass(frozen=True)
class Groups:
    """What is held out together. parts: (trajectory, first frame, end frame); groups: indices of parts.

    whole: whether parts are whole trajectories. left_out: trajectories too short to train on.
    """

    parts: list[tuple[int, int, int]]
    groups: list[list[int]]
    whole: bool
    left_out: list[int]

    @property
    def note(self) -> str:
        """What is held out and what is left out, for the user, trajectories counted from 1."""
        text = f"Held out: {len(self.groups)} " + ("groups of whole trajectories." if self.whole else "blocks of one.")
        if not self.left_out:
            return text
        names = ", ".join(str(i + 1) for i in self.left_out)
        return f"{text} Too short to train on or to score, but counted in the Markov model: trajectories {names}."

    def cut(self, trajectories: Sequence) -> list:
        """The parts of trajectories (frame, ...), of those on disk without reading them."""
        return [part(trajectories[i], start, end) for i, start, end in self.parts]

    def sides(self, cut: Sequence, group: int) -> tuple[list, list]:
        """The parts outside a group, and those in it."""
        inside = set(self.groups[group])
        return [x for i, x in enumerate(cut) if i not in inside], [cut[i] for i in self.groups[group]]


def shortest(lag: int, stride: int = 1) -> int:
    """Frames that a part needs: its last fifth, where training stops early, must hold pairs at the lag."""
    return round(1 / INNER) * (lag + 2 * stride)


def make_groups(lengths: list[int], lag: int, count: int, stride: int = 1) -> Groups:
    """At most `count` groups of whole trajectories, alike in frames; of a single one, contiguous blocks a lag apart.

    lengths and lag in frames; stride: of the training. Raises ValueError where nothing is long enough.
    """
    least = shortest(lag, stride)
    usable = [i for i, length in enumerate(lengths) if length >= least]
    left_out = [i for i in range(len(lengths)) if i not in usable]
    if count < 2:
        raise ValueError(f"{count} groups, expected at least 2: one to hold out and one to train on")
    if len(usable) > 1:
        groups, sizes = [[] for _ in range(min(count, len(usable)))], [0] * min(count, len(usable))
        for row in sorted(range(len(usable)), key=lambda r: -lengths[usable[r]]):
            smallest = int(np.argmin(sizes))
            groups[smallest].append(row)
            sizes[smallest] += lengths[usable[row]]
        parts = [(i, 0, lengths[i]) for i in usable]
        return Groups(parts, sorted(map(sorted, groups)), True, left_out)
    longest = int(np.argmax(lengths))
    count = min(count, (lengths[longest] + lag) // (least + lag))
    if count < 2:
        raise ValueError(
            f"the longest trajectory holds {max(lengths)} frames, expected at least {2 * least + lag} (two parts of "
            f"{round(1 / INNER)} lags and a gap) for a lag of {lag} frames: choose a shorter lag or simulate longer"
        )
    size = (lengths[longest] - lag * (count - 1)) // count
    starts = [i * (size + lag) for i in range(count)]
    parts = [(longest, start, start + size) for start in starts]
    return Groups(parts, [[i] for i in range(count)], False, [i for i in range(len(lengths)) if i != longest])


def held_out_group(
    parts: list, groups: Groups, test: int, lag: int, seed: int, settings: Settings, stride: int = 1,
    batch: int = 1000, network: Network = Lobe,
) -> Fold:  # fmt: skip
    """Fit on all parts (frame, ...) outside the group `test`, and score there: `crossvalidation.Fold` of the group.

    lag in frames; training keeps every `stride`-th frame, which must divide the lag; scores use all of them.
    """
    train, _ = groups.sides([thinned(p, stride) for p in parts], test)
    result = fit(*inner_split(train, INNER, lag // stride), lag // stride, seed, settings, network=network)
    return scored(result, test, seed, parts, lambda outputs: groups.sides(outputs, test), lag, batch)


def cross_validate_groups(
    parts: list, groups: Groups, lag: int, seeds: list[int], settings: Settings, jobs: int = 1, **options
) -> list[Fold]:
    """All folds of all seeds, by seed and then by group; options: as of `held_out_group`."""
    tasks = [(test, seed) for seed in seeds for test in range(len(groups.groups))]
    return Parallel(n_jobs=jobs)(
        delayed(held_out_group)(parts, groups, test, lag, seed, settings, **options) for test, seed in tasks
    )


def complete(folds: list[Fold]) -> list[Fold]:
    """The folds of those seeds of which no fit failed; ValueError where each seed has one that did."""
    lost = {f.seed for f in folds if f.fit.failed}
    kept = [f for f in folds if f.seed not in lost]
    if not kept:
        raise ValueError(f"each of the seeds {sorted(lost)} has a fit that failed: {next(f.fit.failed for f in folds)}")
    return kept


def group_moments(outputs: list[np.ndarray], lag: int) -> torch.Tensor:
    """(block, 2k + 1, 2k + 1) sums of products of (1, x_t, x_{t + lag}) over blocks of the parts of one group."""
    pairs = [len(o) - lag for o in outputs]
    block = max(lag + 1, min(min(pairs), sum(pairs) // BLOCKS))
    centre = np.concatenate(outputs).mean(0)
    return torch.cat([products(*paired([o - centre], lag), block) for o in outputs])


def bootstrap_groups(folds: list[Fold], groups: Groups, lag: int, draws: int = 200, seed: int = 0) -> np.ndarray:
    """(draws, group) re-whitened VAMP-2 of redrawn blocks of each test group, the mean over fits.

    What a spread over columns has beyond the spread over rows is no chance of the blocks: the groups differ.
    """
    moments = {(f.test, f.seed): group_moments(groups.sides(f.outputs, f.test)[1], lag) for f in folds}
    tests, seeds = range(len(groups.groups)), sorted({f.seed for f in folds})
    strata = [len(moments[test, seeds[0]]) for test in tests]

    def statistic(chosen: list[np.ndarray]) -> np.ndarray:
        rows = [[moment_score(moments[t, s][torch.from_numpy(chosen[t])].sum(0)) for s in seeds] for t in tests]
        return np.mean(rows, axis=1)

    return block_bootstrap(strata, statistic, draws, seed)

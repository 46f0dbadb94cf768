"""How far a held-out VAMP-2 score would move with other blocks of the same test trajectories and other fit seeds.

The training data stay: what other training trajectories would do is not in these intervals.
"""

import numpy as np
import torch

from lib.dynamics.crossvalidation import Fold
from lib.dynamics.vamp import TRUNCATE, paired, power, whitening
from lib.measure.metric import SPREAD, interval
from lib.measure.stats import block_bootstrap, percentile_interval


def block_moments(outputs: np.ndarray, lag: int, block: int) -> torch.Tensor:
    """(block, 2k + 1, 2k + 1) sums of the products of (1, x_t, x_{t + lag}), by the block of frames that t lies in.

    outputs: (frame, k); lag and block in frames. The sum over blocks holds all that a score needs. A last block that
    is not full is left out. Raises ValueError when there are fewer than two blocks, or a block is within the lag.
    """
    if block <= lag:
        raise ValueError(f"blocks of {block} frames, expected more than the lag of {lag}")
    x, y = paired([outputs - outputs.mean(0)], lag)
    if len(x) // block < 2:
        raise ValueError(f"{len(x)} pairs make {len(x) // block} blocks of {block} frames, expected at least 2")
    return products(x, y, block)


def products(x: torch.Tensor, y: torch.Tensor, block: int) -> torch.Tensor:
    """Sums of the products of (1, x, y) over blocks of pairs x, y (pair, k); the rest is left out."""
    blocks = len(x) // block
    rows = torch.cat([torch.ones(len(x), 1, dtype=x.dtype), x, y], 1)[: blocks * block]
    rows = rows.reshape(blocks, block, -1)
    return rows.transpose(1, 2) @ rows


def moment_koopman(moments: torch.Tensor) -> torch.Tensor:
    """Whitened Koopman matrix from the summed moments (2k + 1, 2k + 1) of any blocks."""
    k = len(moments) // 2
    n, mean = moments[0, 0], moments[0, 1:] / moments[0, 0]
    c = (moments[1:, 1:] - n * torch.outer(mean, mean)) / (n - 1)
    w0, wt = whitening(c[:k, :k], TRUNCATE), whitening(c[k:, k:], TRUNCATE)
    return w0.T @ c[:k, k:] @ wt


def moment_score(moments: torch.Tensor) -> float:
    """Re-whitened VAMP-2 from the summed moments (2k + 1, 2k + 1) of any blocks."""
    return 1 + float(power(moment_koopman(moments), "VAMP2"))


def bootstrap_scores(folds: list[Fold], lag: int, block: int, draws: int = 200, seed: int = 0) -> np.ndarray:
    """(draws,) re-whitened VAMP-2, the mean over folds with seeds and blocks of the test trajectories redrawn.

    lag and block in frames. The same `seed` redraws the same blocks, so that the draws of two features of one system
    are paired: their difference or ratio holds only what the features do differently.
    """
    moments = [block_moments(fold.outputs[fold.test], lag, block) for fold in folds]
    lengths = {fold.test: len(m) for fold, m in zip(folds, moments)}
    tests, seeds = sorted(lengths), sorted({fold.seed for fold in folds})
    strata = [lengths[test] for test in tests] + ([len(seeds)] if len(seeds) > 1 else [])

    def statistic(chosen: list[np.ndarray]) -> float:
        drawn = [moment_score(m[chosen[tests.index(fold.test)]].sum(0)) for fold, m in zip(folds, moments)]
        times = np.bincount(chosen[-1], minlength=len(seeds)) if len(seeds) > 1 else [1]
        return float(np.average(drawn, weights=[times[seeds.index(fold.seed)] for fold in folds]))

    return block_bootstrap(strata, statistic, draws, seed)


def bootstrap_timescales(
    outputs: list[np.ndarray], lag: int, processes: int, block: int | None = None, draws: int = 200, seed: int = 0
) -> np.ndarray:
    """(draws, process) implied timescales -lag / ln(sigma), in frames, of linear VAMP on redrawn data.

    outputs: list of (frame, k), one per trajectory; lag and block in frames. With block = None whole trajectories are
    redrawn, right for many independent ones; else blocks within each. Processes that a draw lacks are NaN. Raises
    ValueError for a block within the lag, or fewer than two units to redraw from.
    """
    if block is not None and block <= lag:
        raise ValueError(f"blocks of {block} frames, expected more than the lag of {lag}")
    centre = np.concatenate(outputs).mean(0)
    pairs = [paired([o - centre], lag) for o in outputs]
    moments = [products(x, y, block or len(x)) for x, y in pairs]
    if block is None:
        moments = [torch.cat(moments)]

    def statistic(chosen: list[np.ndarray]) -> np.ndarray:
        sums = sum(m[torch.from_numpy(c)].sum(0) for m, c in zip(moments, chosen))
        sigma = torch.linalg.svdvals(moment_koopman(sums))[:processes].numpy()
        with np.errstate(divide="ignore"):
            return np.pad(-lag / np.log(sigma), (0, processes - len(sigma)), constant_values=np.nan)

    return block_bootstrap([len(m) for m in moments], statistic, draws, seed)


def score_metric(table: np.ndarray, draws: np.ndarray) -> dict:
    """A metric of one score from its table (trajectory, seed) and its bootstrap draws."""
    return interval(table.mean(), *percentile_interval(draws), table.size, "", SPREAD * spread(table.mean(0), draws))


def gain_metric(
    new: np.ndarray, old: np.ndarray, new_draws: np.ndarray, old_draws: np.ndarray, offset: float = 0.0
) -> dict:
    """A metric of the paired relative gain of new over old, in per cent: tables (trajectory, seed), draws (draws,).

    offset = 1 takes the constant mode off both scores, so that the gain does not depend on the +1 convention.
    """
    gain = lambda a, b: 100 * ((a - offset) / (b - offset) - 1)  # noqa: E731
    draws, by_seed = gain(new_draws, old_draws), gain(new.mean(0), old.mean(0))
    value = gain(new.mean(), old.mean())
    return interval(value, *percentile_interval(draws), new.size, "%", SPREAD * spread(by_seed, draws))


def spread(by_seed: np.ndarray, draws: np.ndarray) -> float:
    """Standard deviation over seeds; with one seed, that of the bootstrap."""
    return float(by_seed.std(ddof=1) if len(by_seed) > 1 else draws.std(ddof=1))

"""Figures that more than one notebook draws. Axes come in, nothing is read or written."""

import matplotlib.pyplot as plt
import numpy as np
from deeptime.util.validation import ChapmanKolmogorovTest
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def scores(
    axes: Axes, tables: dict[str, np.ndarray], intervals: dict[str, tuple[float, float]], bound: float | None
) -> None:
    """VAMP-2 of each feature: one dot a fit, coloured by test trajectory, the mean with its interval.

    tables: feature -> (trajectory, seed). intervals: feature -> (low, high). bound: the largest possible score, drawn
    with the smallest one; None for a closer look at the differences.
    """
    for x, (name, table) in enumerate(tables.items()):
        for test, row in enumerate(table):
            offset = 0.12 * (test - (len(table) - 1) / 2)
            label = f"test trajectory {test}" if x == 0 else None
            axes.plot(np.full(len(row), x + offset), row, "o", ms=4, alpha=0.6, color=f"C{test}", label=label)
        low, high = intervals[name]
        mean = np.mean(table)
        axes.plot([x, x], [low, high], color="black", lw=1.5)
        axes.plot(x, mean, "D", color="black", ms=6, label="mean, 95 % over blocks" if x == 0 else None)
    if bound is not None:
        axes.axhline(bound, color="grey", ls="--", lw=1, label=f"bound {bound:g}")
        axes.axhline(1, color="grey", ls=":", lw=1, label="constant only")
        axes.legend(fontsize="x-small")
    axes.set_xticks(range(len(tables)), [name.replace("_", "\n") for name in tables], fontsize="x-small")
    axes.set_ylabel("VAMP-2 on held-out trajectories")


def implied_timescales(axes: Axes, lags: np.ndarray, curves: np.ndarray, title: str) -> None:
    """Timescales (lag, process) over lags (lag,), both ps; below the grey line a process is faster than the lag."""
    for process, curve in enumerate(curves.T):
        axes.plot(lags, curve, "o-", ms=4, label=f"process {process + 1}")
    axes.fill_between(lags, lags, color="grey", alpha=0.3)
    axes.plot(lags, lags, color="grey", lw=1)
    axes.set(title=title, xlabel="lag (ps)", ylabel="implied timescale (ps)", yscale="log")


def chapman_kolmogorov(axes: Axes, test: ChapmanKolmogorovTest, frame_ps: float, title: str) -> None:
    """Probability to be found in each state again: dots are estimates, lines predictions with their 95 % interval."""
    times = np.asarray(test.lagtimes) * frame_ps
    draws = np.asarray(test.predictions_samples)  # (lag, draw, state, state)
    for state in range(test.n_components):
        low, high = np.quantile(draws[:, :, state, state], [0.025, 0.975], axis=1)
        axes.fill_between(times, low, high, color=f"C{state}", alpha=0.3, lw=0)
        axes.plot(times, test.predictions[:, state, state], color=f"C{state}", lw=1)
        axes.plot(times, test.estimates[:, state, state], "o", color=f"C{state}", ms=4, label=f"state {state + 1}")
    axes.set(title=title, xlabel="time (ps)", ylabel="probability to stay", ylim=(0, 1.03))


def panels(count: int, width: float = 3.4, height: float = 3.2) -> tuple[Figure, np.ndarray]:
    """A row of `count` axes, always as an array."""
    figure, axes = plt.subplots(1, count, figsize=(width * count, height), squeeze=False, layout="constrained")
    return figure, axes[0]

"""Errors of fits by how they began, over the size of the encoder. Axes come in, nothing is read or written."""

import numpy as np
from matplotlib.axes import Axes


COLORS = {
    "scratch": "C7",
    "finetuned": "C0",
    "frozen": "C1",
    "equilibrium": "C0",
    "nonequilibrium": "C2",
    "equilibrium-frozen": "C9",
    "nonequilibrium-frozen": "C8",
}


def by_size(
    axes: Axes,
    sizes: list,
    errors: dict[str, np.ndarray],
    reference: tuple[float, str] | None = None,
    lines: bool = True,
) -> None:
    """A dot for each fit and a diamond for the mean, joined by lines where sizes have an order.

    errors: start -> (size, seed). reference: an error and its name, drawn across. Sizes are set at equal distances.
    """
    place = np.arange(len(sizes))
    for shift, (start, table) in enumerate(errors.items()):
        x = place + 0.08 * (shift - (len(errors) - 1) / 2)
        for each, row in zip(x, table):
            axes.plot(np.full(len(row), each), row, "o", ms=4, alpha=0.5, color=COLORS[start])
        axes.plot(
            x, np.mean(table, 1), "-D" if lines else "D", ms=6, lw=1.2, color=COLORS[start], mec="white", label=start
        )
    if reference is not None:
        axes.axhline(reference[0], color="black", ls=":", lw=1, label=reference[1])
    axes.set_xticks(place, sizes)
    axes.set_xlim(-0.4, len(sizes) - 0.6)


def gains(axes: Axes, leaves: dict[str, dict[str, dict]], unit: str) -> None:
    """Gains with their 95 % intervals, one row a case: {case: {start: metric}}; beyond the line the start is better."""
    for row, by_start in enumerate(leaves.values()):
        for shift, (start, leaf) in enumerate(by_start.items()):
            y = row + 0.22 * (shift - (len(by_start) - 1) / 2)
            if leaf["low"] is not None:
                axes.plot([leaf["low"], leaf["high"]], [y, y], color=COLORS[start], lw=1.5)
            axes.plot(leaf["value"], y, "D", ms=5, color=COLORS[start], label=start if row == 0 else None)
    axes.axvline(0, color="grey", lw=1)
    axes.set_yticks(range(len(leaves)), leaves, fontsize="x-small")
    axes.set_ylim(len(leaves) - 0.5, -0.5)
    axes.set_xlabel(f"error from scratch − error ({unit})")

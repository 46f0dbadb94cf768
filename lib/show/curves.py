"""Curves of loss against the size of an encoder. Axes come in, nothing is read or written."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from lib.measure.scaling import Fit, Prediction


STYLES = {"constant": ":", "pure": "--", "floor": "-", "broken": "-."}
WORDS = {
    "constant": "constant",
    "pure": "pure power law",
    "floor": "power law with a floor",
    "broken": "broken power law",
}


def curve(axes: Axes, sizes, losses, color: str, label: str, marker: str = "o", joined: bool = True) -> None:
    """A dot for each run (n,) and the mean of each size, joined by a thin line where no law is drawn."""
    sizes, losses = np.asarray(sizes, float), np.asarray(losses, float)
    axes.plot(sizes, losses, marker, ms=4, alpha=0.5, color=color)
    distinct = np.unique(sizes)
    means = [losses[sizes == size].mean() for size in distinct]
    axes.plot(distinct, means, marker, ls="-" if joined else "", lw=0.8, ms=7, color=color, mec="white", label=label)


def laws(axes: Axes, fits: dict[str, Fit], sizes, color: str, named: bool = False) -> None:
    """Fitted laws through the sizes (n,) and a factor of three beyond, each in the style of its form."""
    grid = np.geomspace(min(sizes) / 1.2, max(sizes) * 3, 200)
    for form, fit in fits.items():
        label = WORDS[form] if named else None
        axes.plot(grid, fit(grid), STYLES[form], lw=1.2, color=color, alpha=0.8, label=label)


def foretold(axes: Axes, told: Prediction, color: str, label: str | None = None) -> None:
    """What was predicted for the largest size before it was run, with its interval."""
    bar = [[told.predicted - told.low], [told.high - told.predicted]]
    axes.errorbar(told.size, told.predicted, np.abs(bar), fmt="x", ms=8, mew=2, capsize=4, color=color, label=label)


def references(axes: Axes, floor: float) -> None:
    """The analytic floor and the predictor that knows nothing, and a logarithmic axis from the one to the other."""
    axes.axhline(1, color="k", lw=1, ls=":", label="zero predictor")
    axes.axhline(floor, color="k", lw=1, label="floor 2/n (rigid motion)")
    axes.set_yscale("log")
    axes.set_ylim(floor / 1.2, 1.2)
    axes.set_yticks(ticks := [0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1], map(str, ticks))
    axes.yaxis.set_minor_locator(NullLocator())

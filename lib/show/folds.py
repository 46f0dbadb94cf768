"""Figures of fold classification."""

import numpy as np
from matplotlib.axes import Axes

from lib.measure.classifiers import mcnemar_power, unpaired_power


PAPER = (2.1, 5.3)  # points, P1 section 4


def gain_panel(axes: Axes, gains: dict[str, dict[str, dict]], title: str) -> None:
    """Gain over each arm by level, with its interval, and the paper's range. gains: arm -> split -> leaf."""
    axes.axhspan(*PAPER, color="grey", alpha=0.25, lw=0, label="paper, over none")
    axes.axhline(0, color="grey", lw=1)
    for k, (arm, by_split) in enumerate(gains.items()):
        for x, leaf in enumerate(by_split.values()):
            place = x + 0.16 * (k - (len(gains) - 1) / 2)
            axes.plot([place] * 2, [leaf["low"], leaf["high"]], color=f"C{k}", lw=2)
            axes.plot(place, leaf["value"], "o", color=f"C{k}", label=f"over {arm}" if x == 0 else None)
    levels = [split.removeprefix("test_") for split in next(iter(gains.values()))]
    axes.set_xticks(range(len(levels)), levels)
    axes.set(title=title, xlabel="level", ylabel="gain of pre-trained tokens (points)")


def power_panel(axes: Axes, items: int, baseline: float) -> None:
    """Power of the paired and the unpaired test of the paper's gains, over the share of items that count."""
    shares = np.linspace(0.06, 0.3, 13)
    for color, points in enumerate(PAPER):
        power = [mcnemar_power(items, points / 100, share) for share in shares]
        axes.plot(100 * shares, power, "o-", ms=3, color=f"C{color}", label=f"+{points} points, same domains")
        alone = unpaired_power(items, baseline, points / 100)
        axes.axhline(alone, color=f"C{color}", ls="--", label=f"+{points} points, different domains")
    axes.axhline(0.8, color="grey", lw=1, ls=":")
    axes.set(xlabel="domains on which the two disagree (%)", ylabel=f"power, {items} domains", ylim=(0, 1.02))
    axes.legend(fontsize="x-small", loc="upper left", bbox_to_anchor=(1, 1))

"""Arms side by side at several tasks: means, intervals and single seeds."""

import math

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lib.measure.twins import Score


def arms(scores: dict[str, dict[str, Score]], columns: int = 3) -> Figure:
    """One panel a task: each arm's mean with its interval, and its seeds as small dots; the arrow says what is better.

    scores: task -> arm -> score.
    """
    rows = math.ceil(len(scores) / columns)
    figure, panels = plt.subplots(
        rows, columns, figsize=(3.6 * columns, 2.1 * rows), squeeze=False, layout="constrained"
    )
    for axes in panels.flat[len(scores) :]:
        axes.set_visible(False)
    for axes, (task, each) in zip(panels.flat, scores.items()):
        for row, score in enumerate(each.values()):
            leaf, colour = score.metric(), f"C{row}"
            axes.plot([leaf["low"], leaf["high"]], [row, row], color=colour, lw=2)
            axes.plot(score.table.mean(0), [row] * score.table.shape[1], ".", color=colour, alpha=0.5, ms=5)
            axes.plot(leaf["value"], row, "o", color=colour, mec="black", ms=6)
        axes.set_yticks(range(len(each)), list(each))
        axes.set_ylim(len(each) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        one = next(iter(each.values()))
        axes.set_title(task, fontsize="medium")
        axes.set_xlabel(f"{'better →' if one.larger else '← better'}{f'   ({one.unit})' if one.unit else ''}")
    return figure

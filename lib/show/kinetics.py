"""Figures of one kinetic model: timescales, scores, states in time and in the plane, paths. Times in ns."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from lib.dynamics.lag import LagChoice
from lib.dynamics.paths import Transition


MEMORISED = 0.5  # of the held-out score above 1, by which training may be better


def lag_choice(axes: Axes, lags: np.ndarray, values: np.ndarray, choice: LagChoice, used: float) -> None:
    """Timescales values (lag, process) over lags (lag,), ns, the slowest with its interval; `used` is the lag taken."""
    for process, curve in enumerate(values.T):
        axes.plot(lags, curve, "o-", ms=4, color=f"C{process}", label=f"process {process + 1}")
    axes.fill_between(lags, choice.low, choice.high, color="C0", alpha=0.25, lw=0, label="95 %")
    axes.fill_between(lags, np.zeros(len(lags)), lags, color="grey", alpha=0.3, lw=0, label="faster than the lag")
    axes.axvline(used, color="black", ls="--", lw=1, label=f"lag used, {used:g} ns")
    axes.set(xlabel="lag (ns)", ylabel="implied timescale (ns)", yscale="log")
    axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")  # 0.2, not 2 × 10⁻¹
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.legend(fontsize="x-small")


def training(axes: Axes, histories: list[np.ndarray]) -> None:
    """VAMP-2 over the epochs, (epoch, 2) each: of the training batches and, full, of the part that stops training."""
    for i, history in enumerate(histories):
        label = ("training batches", "inner validation") if i == 0 else (None, None)
        axes.plot(history[:, 0], color="C7", lw=0.8, alpha=0.7, label=label[0])
        axes.plot(history[:, 1], color="C0", lw=1.2, alpha=0.8, label=label[1])
    axes.set(xlabel="epoch", ylabel="VAMP-2", title=f"{len(histories)} fits")
    axes.legend(fontsize="x-small")


def score_dots(axes: Axes, tables: dict[str, np.ndarray], bound: float, group: str) -> None:
    """Scores (group, seed) by definition: one dot a fit, coloured by what was held out; a diamond is the mean."""
    for x, table in enumerate(tables.values()):
        for test, row in enumerate(table):
            at = x + 0.14 * (test - (len(table) - 1) / 2)
            axes.plot(np.full(len(row), at), row, "o", ms=4, alpha=0.7, color=f"C{test % 10}",
                      label=f"{group} {test + 1}" if x == 0 and len(table) < 8 else None)  # fmt: skip
        axes.plot(x, np.nanmean(table), "D", color="black", ms=6, label="mean" if x == 0 else None)
    axes.set_xticks(range(len(tables)), [name.replace("_", "\n") for name in tables], fontsize="small")
    axes.set(ylabel="VAMP-2, held out", title=f"the bound is {bound:g}", xlim=(-0.6, len(tables) - 0.4))
    axes.legend(fontsize="x-small")


def state_colors(count: int) -> list:
    """One colour a state, the same in all figures."""
    return [f"C{state % 10}" for state in range(count)]


def in_time(axes: Axes, visited: np.ndarray, frame_ns: float, count: int, title: str) -> None:
    """The core (frame,) that a trajectory visited last, over time."""
    time = np.arange(len(visited)) * frame_ns
    axes.step(time, visited + 1, where="post", color="grey", lw=0.6)
    seen = visited >= 0
    colors = np.array([plt.matplotlib.colors.to_rgb(c) for c in state_colors(count)])
    axes.scatter(time[seen], visited[seen] + 1, c=colors[visited[seen]], s=4, zorder=3, rasterized=True, linewidths=0)
    axes.set(title=title, yticks=range(1, count + 1), ylim=(0.5, count + 0.5), ylabel="state")
    axes.title.set_fontsize("small")


def plane(axes: Axes, functions: np.ndarray, states: np.ndarray, marked: dict[int, np.ndarray]) -> None:
    """Frames in the plane of the two slowest functions (frame, 2), coloured by state; marked: points of each state."""
    thin = max(1, len(functions) // 20_000)
    for state in np.unique(states):
        own = np.flatnonzero(states == state)[::thin]
        color = "lightgrey" if state < 0 else f"C{state % 10}"
        label = "not connected" if state < 0 else f"state {state + 1}"
        axes.plot(*functions[own, :2].T, ".", ms=2, alpha=0.3, color=color, label=label, rasterized=True)
    for state, points in marked.items():
        axes.plot(*points[:, :2].T, "*", ms=10, mec="black", mew=0.8, color=f"C{state % 10}")
    axes.set(xlabel="slowest function", ylabel="second function", title="★ representative structures")
    legend = axes.legend(fontsize="x-small", markerscale=5)
    for handle in legend.legend_handles:
        handle.set_alpha(1)


def network(axes: Axes, way: Transition, populations: np.ndarray) -> None:
    """States over their mean committor, areas by population, arrows by net reactive flux in per cent of the whole."""
    total = way.flux[way.start].sum()
    middle = [s for s in range(len(populations)) if s not in (way.start, way.end)]
    height = dict.fromkeys((way.start, way.end), 0.0)
    height |= {s: (1 if i % 2 == 0 else -1) * (0.6 + 0.5 * (i // 2)) for i, s in enumerate(middle)}
    at = {s: (way.committor[s], height[s]) for s in height}
    for i, j in zip(*np.nonzero(way.flux > 0.01 * total)):
        part = way.flux[i, j] / total
        axes.annotate("", at[j], at[i], arrowprops={"arrowstyle": "-|>", "lw": 0.8 + 5 * part, "color": "grey",
                                                    "shrinkA": 16, "shrinkB": 16})  # fmt: skip
        label = {"ha": "center", "va": "center", "fontsize": "small", "bbox": {"fc": "white", "ec": "none", "pad": 1}}
        axes.text(*np.mean([at[i], at[j]], axis=0), f"{part:.0%}", **label)
    for s, (x, y) in at.items():
        axes.scatter(x, y, s=250 + 1500 * populations[s], color=f"C{s % 10}", zorder=3)
        axes.text(x, y, s + 1, ha="center", va="center", zorder=4, color="white", weight="bold")
        axes.annotate(
            f"{populations[s]:.1%}", (x, y), (0, -32), textcoords="offset points", ha="center", fontsize="small"
        )
    axes.set(xlabel=f"mean committor: to the core of state {way.end + 1} before that of state {way.start + 1}",
             xlim=(-0.2, 1.2), ylim=(min(height.values()) - 0.6, max(height.values()) + 0.6), yticks=[])  # fmt: skip


def rows(count: int, width: float = 9, height: float = 1.3) -> tuple[Figure, np.ndarray]:
    """`count` axes below each other with one time axis, always as an array."""
    figure, axes = plt.subplots(
        count, 1, figsize=(width, height * count + 0.4), squeeze=False, sharex=True, layout="constrained"
    )
    return figure, axes[:, 0]


def memorised(histories: list[np.ndarray], best: list[int], held_out: float) -> str:
    """Whether the networks know their training data by heart, in a sentence: VAMP-2 there and on held-out data."""
    known = float(np.mean([history[epoch, 0] for history, epoch in zip(histories, best)]))
    text = f"Training batches reach {known:.3f}, held-out data {held_out:.3f}."
    if known - held_out <= MEMORISED * (held_out - 1):
        return text
    return f"{text} **The networks memorise: take fewer epochs, a smaller `hidden`, or more data.**"


def why_scores_differ(scores: dict[str, np.ndarray], draws: np.ndarray, events: list[int], outputs: int) -> str:
    """A paragraph on why scores fluctuate, from the numbers of this run.

    scores: definition -> (group, seed); draws: (draw, group) of the bootstrap; events: transitions between states in
    each held-out group.
    """
    table = scores["rewhitened"]
    seeds = table.std(1, ddof=1).mean() if table.shape[1] > 1 else 0.0
    moved = f"{seeds:.3f}" if table.shape[1] > 1 else "an unknown amount (give two seeds or more)"
    between, within = table.mean(1).std(ddof=1), draws.std(0, ddof=1).mean()
    batch = scores["batch_mean"].mean() - table.mean()
    cause = (
        "Most of it is training: more epochs, or more seeds and the best of them by inner validation, help"
        if seeds > max(between, within)
        else "Most of it is chance of the data: neither epochs nor seeds help, more transitions do"
    )
    return (
        f"**Why scores fluctuate.** The held-out groups hold {min(events)} to {max(events)} transitions between the "
        f"states. Redrawing their blocks moves a group's score by {within:.3f} (sd), groups differ by {between:.3f}, "
        f"and another seed on the same data moves it by {moved}. {cause}. The batch mean differs by {batch:+.3f}: "
        f"batches of 1,000 pairs add {outputs**2 / 999:.3f} for noise alone, and miss processes slower than themselves."
        " Compare scores only of one definition, lag, number of outputs and split."
    )

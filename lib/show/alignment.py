"""Figures of the alignment with descriptors: planes, bars and curves over depth."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from lib.dynamics.descriptors import Block


LABELS = {
    "phi": "φ",
    "psi": "ψ",
    "torsions": "φ and ψ",
    "chi": "χ",
    "distances": "pair distances",
    "end_to_end": "end to end",
    "rmsd": "RMSD",
    "radius_of_gyration": "radius of gyration",
    "native_contacts": "contacts Q",
}

MARKS = "osD^v"
ANGLES = sns.color_palette("husl", as_cmap=True)  # its ends meet, and none of it is white
LEAST, MOST = 1e-3, 1.2  # unexplained parts outside are drawn at these


def planes(places: dict[str, np.ndarray], colours: dict[str, np.ndarray], blocks: dict[str, Block]) -> Figure:
    """One row for each projection (frame, 2), one column for each descriptor (frame,) that colours it."""
    rows, columns = len(places), len(colours)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(2.5 * columns, 2.3 * rows),
        squeeze=False,
        layout="constrained",
        sharex="row",
        sharey="row",
    )
    for number, (row, (way, xy)) in enumerate(zip(axes, places.items())):
        low, high = np.quantile(xy, [0.002, 0.998], axis=0)
        for axis, (name, values) in zip(row, colours.items()):
            cyclic = blocks[name].cyclic
            limits = (-180, 180) if cyclic else tuple(np.quantile(values, [0.01, 0.99]))
            dots = axis.scatter(
                *xy.T, c=values, s=3, cmap=ANGLES if cyclic else "viridis", vmin=limits[0], vmax=limits[1]
            )
            margin = 0.05 * (high - low)
            axis.set(xticks=[], yticks=[], xlim=(low[0] - margin[0], high[0] + margin[0]))
            axis.set_ylim(low[1] - margin[1], high[1] + margin[1])
            if number == 0:
                unit = f" ({blocks[name].unit})" if blocks[name].unit else ""
                axis.set_title(LABELS[name] + unit, fontsize="small")
            if number == rows - 1:
                bar = figure.colorbar(dots, ax=axis, location="bottom", aspect=15, shrink=0.9)
                bar.ax.tick_params(labelsize="x-small")
        row[0].set_ylabel(way)
    return figure


def probes(tables: dict[str, dict[str, dict[str, dict]]]) -> Figure:
    """1 - R² by descriptor, on a log scale because most is close to 0; one panel for each kind of probe.

    tables: kind of probe -> features -> descriptor -> metric of R².
    """
    figure, axes = plt.subplots(1, len(tables), figsize=(6.2 * len(tables), 4), squeeze=False, layout="constrained")
    for axis, (kind, rows) in zip(axes[0], tables.items()):
        for i, (who, scores) in enumerate(rows.items()):
            left = np.array([[1 - m[k] for k in ("low", "value", "high")] for m in scores.values()], float)
            left = np.clip(left, LEAST, MOST)
            place = np.arange(len(left)) + 0.13 * (i - (len(rows) - 1) / 2)
            colour = "grey" if who == "shifted" else f"C{i}"
            axis.vlines(place, left[:, 2], left[:, 0], color=colour, lw=1.5)
            axis.plot(place, left[:, 1], MARKS[i % len(MARKS)], ms=5, color=colour, label=who)
        axis.axhline(1, color="black", lw=0.8, ls=":")
        axis.set(yscale="log", ylim=(LEAST / 1.2, 2 * MOST), ylabel="not explained, 1 - R²", title=f"{kind} probe")
        axis.set_xticks(range(len(scores)), [LABELS[name].replace(" ", "\n") for name in scores], fontsize="x-small")
    axes[0, 0].legend(fontsize="x-small", loc="upper left", bbox_to_anchor=(0, 0.8))
    return figure


def depth(curves: pd.DataFrame, limits: dict[str, dict[str, float]]) -> Figure:
    """What each layer holds: columns measure, descriptor, features, layer, value; runs of one kind give a band.

    R² is drawn as 1 - R² on a log scale. limits: measure -> descriptor -> largest value under shifts, the grey band.
    """
    r2 = curves.measure.str.startswith("R²")
    drawn = curves.assign(
        value=np.where(r2, np.clip(1 - curves.value, LEAST, MOST), curves.value),
        measure=np.where(r2, "1 - " + curves.measure, curves.measure),
        descriptor=curves.descriptor.map(LABELS),
    )
    grid = sns.relplot(
        drawn,
        kind="line",
        x="layer",
        y="value",
        hue="features",
        row="measure",
        col="descriptor",
        errorbar=("pi", 100),
        marker="o",
        height=2.1,
        aspect=0.9,
        facet_kws={"sharey": "row", "margin_titles": True},
    )
    names = {label: name for name, label in LABELS.items()}
    for (measure, label), axis in grid.axes_dict.items():
        if measure.startswith("1"):
            axis.set(yscale="log", ylim=(LEAST / 1.2, 2 * MOST))
            continue
        limit = limits[measure][names[label]]
        axis.axhspan(-limit, limit, color="lightgrey", alpha=0.6, lw=0)
        axis.axhline(0, color="black", lw=0.6)
        axis.set_ylim(-0.15, 1.05)
    for axis in grid.axes[-1]:
        axis.tick_params(axis="x", rotation=90, labelsize="x-small")
    grid.set_titles(row_template="{row_name}", col_template="{col_name}").set_axis_labels("", "")
    grid.figure.subplots_adjust(hspace=0.3, wspace=0.3)
    sns.move_legend(grid, "lower center", bbox_to_anchor=(0.45, 1.0), ncols=drawn.features.nunique(), title=None)
    return grid.figure


def shown(leaf: dict) -> str:
    """A metric as text: value (low to high), or the value alone."""
    return f"{leaf['value']:.3f}" + ("" if leaf["low"] is None else f" ({leaf['low']:.3f} to {leaf['high']:.3f})")

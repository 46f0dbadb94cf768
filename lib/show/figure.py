"""How every figure looks and is stored. Apart from plots.py, so that a new kind of figure does not re-run training."""

from pathlib import Path

import seaborn as sns
from matplotlib.figure import Figure


sns.set_theme(context="notebook", style="ticks", palette="colorblind")


def save_figure(figure: Figure, path: Path, alt: str) -> None:
    """Write a PNG with its alternative text inside; the same figure gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, bbox_inches="tight", metadata={"Software": None, "Description": alt})

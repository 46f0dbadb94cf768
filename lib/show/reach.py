"""Parts of the figures about reach."""

from matplotlib.axis import Axis
from matplotlib.ticker import NullLocator


def plain_log(axis: Axis, ticks: list[float]) -> None:
    """Ticks of a logarithmic axis at these places only, written as plain numbers."""
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_minor_locator(NullLocator())

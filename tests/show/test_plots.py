import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from lib.show import plots
from lib.show.figure import save_figure


@pytest.fixture(autouse=True)
def no_window():
    mpl.use("Agg")


def drawn():
    figure, (axes,) = plots.panels(1)
    plots.scores(axes, {"a": np.array([[1.2, 1.3], [1.4, 1.5]])}, {"a": (1.2, 1.5)}, 4)
    return figure, axes


def test_the_same_figure_gives_the_same_bytes_and_carries_its_description(tmp_path):
    for name in ("one", "two"):
        save_figure(drawn()[0], tmp_path / "group" / f"{name}.png", "VAMP-2 by feature, φ")
    one, two = sorted((tmp_path / "group").iterdir())
    assert one.read_bytes() == two.read_bytes()
    with Image.open(one) as image:
        assert image.info["Description"] == "VAMP-2 by feature, φ"


def test_scores_show_the_mean_the_interval_and_the_bound():
    _, axes = drawn()
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["mean, 95 % over blocks"].get_ydata() == pytest.approx([1.35])
    assert "bound 4" in lines
    assert [1.2, 1.5] in [list(line.get_ydata()) for line in axes.lines]

import matplotlib.pyplot as plt
import numpy as np
import pytest

from lib.measure.scaling import compare, predict_largest
from lib.show import curves


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def test_a_scaling_figure_shows_runs_laws_floor_and_prediction(axes):
    random = np.random.default_rng(0)
    sizes = np.repeat(np.geomspace(1e3, 1e5, 6), 3)
    losses = (0.3 + 0.4 * (sizes / 1e3) ** -0.5) * np.exp(0.01 * random.standard_normal(18))
    curves.curve(axes, sizes, losses, "C0", "ET", joined=False)
    dots, means = axes.lines
    np.testing.assert_array_equal(dots.get_ydata(), losses)
    np.testing.assert_allclose(means.get_ydata(), losses.reshape(6, 3).mean(1))
    fits = compare(sizes, losses)
    curves.laws(axes, {"floor": fits["floor"]}, sizes, "C0", named=True)
    drawn = axes.lines[-1]
    np.testing.assert_allclose(drawn.get_ydata(), fits["floor"](drawn.get_xdata()))
    assert drawn.get_xdata().max() > sizes.max()
    told = predict_largest(sizes, losses, draws=50)
    curves.foretold(axes, told, "C0", "foretold")
    curves.references(axes, 0.087)
    assert 0.087 in [line.get_ydata()[0] for line in axes.lines]
    names = axes.get_legend_handles_labels()[1]
    assert {"ET", "power law with a floor", "foretold", "floor 2/n (rigid motion)", "zero predictor"} == set(names)


def test_every_form_has_a_style_and_a_name():
    assert set(curves.STYLES) == set(curves.WORDS) == set(compare([1, 2, 3], [3, 2, 1.5]))

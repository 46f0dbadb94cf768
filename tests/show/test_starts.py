import matplotlib.pyplot as plt
import numpy as np

from lib.measure import metric
from lib.show.starts import by_size, gains


def test_every_fit_is_a_dot_and_every_mean_a_diamond():
    figure, axes = plt.subplots()
    errors = {"scratch": np.array([[1.0, 2.0], [3.0, 5.0]]), "finetuned": np.array([[0.5, 0.7], [2.0, 3.0]])}
    by_size(axes, [8, 16], errors, (4.0, "composition alone"))
    drawn = {line.get_label(): line.get_ydata() for line in axes.lines}
    np.testing.assert_allclose(drawn["scratch"], [1.5, 4.0])
    np.testing.assert_allclose(drawn["finetuned"], [0.6, 2.5])
    assert list(drawn["composition alone"]) == [4.0, 4.0]
    assert sum(len(line.get_ydata()) for line in axes.lines if line.get_marker() == "o") == 8
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["8", "16"]
    plt.close(figure)


def test_gains_are_drawn_with_their_intervals():
    figure, axes = plt.subplots()
    leaves = {"one": {"finetuned": metric.interval(2, 1, 3, 3)}, "other": {"finetuned": metric.exact(-1.0)}}
    gains(axes, leaves, "meV")
    values = [line.get_xdata() for line in axes.lines]
    assert [1, 3] in [list(x) for x in values]
    assert [-1.0] in [list(x) for x in values]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["one", "other"]
    plt.close(figure)

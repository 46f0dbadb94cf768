import numpy as np

from lib.measure.twins import Score
from lib.show.twins import arms


def test_a_panel_a_task_with_a_row_an_arm():
    score = lambda value, larger: Score(np.full((2, 3), value), np.array([value - 1, value + 1]), "%", larger)  # noqa: E731
    tasks = {f"task {i}": {"one": score(i, i > 1), "two": score(i + 1, i > 1)} for i in range(4)}
    figure = arms(tasks, columns=3)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == list(tasks)
    assert [label.get_text() for label in shown[0].get_yticklabels()] == ["one", "two"]
    assert "← better" in shown[0].get_xlabel()
    assert "better →" in shown[3].get_xlabel()
    means = [line.get_xdata() for line in shown[2].lines if line.get_marker() == "o"]
    assert [float(np.ravel(x)[0]) for x in means] == [2, 3]

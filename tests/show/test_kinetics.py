import matplotlib.pyplot as plt
import numpy as np
import pytest

from lib.dynamics.lag import choose_lag
from lib.dynamics.paths import Estimate, Transition
from lib.show import kinetics


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_the_lag_that_is_used_and_its_unit_are_drawn():
    choice = choose_lag([1, 2, 4, 8], [9, 9, 9, 9], np.array([[8, 9, 10]] * 4, float))
    _, axes = plt.subplots()
    kinetics.lag_choice(axes, np.array([1, 2, 4, 8]), np.full((4, 2), 9.0), choice, 1.0)
    labels = [t.get_text() for t in axes.get_legend().get_texts()]
    assert "lag used, 1 ns" in labels
    assert axes.get_ylabel() == "implied timescale (ns)"


def test_the_network_shows_each_state_and_each_strong_flux():
    way = Transition(0, 2, Estimate(1, 1, 1), [((0, 1, 2), 0.75), ((0, 2), 0.25)],
                     np.array([[0, 3, 1], [0, 0, 3], [0, 0, 0]]) * 1e-3, np.array([0, 0.4, 1]))  # fmt: skip
    _, axes = plt.subplots()
    kinetics.network(axes, way, [0.5, 0.2, 0.3])
    texts = [t.get_text() for t in axes.texts]
    assert {"1", "2", "3", "75%", "25%", "50.0%", "20.0%", "30.0%"} <= set(texts)
    assert "to the core of state 3 before that of state 1" in axes.get_xlabel()


def test_time_and_plane_leave_nothing_out():
    _, (axes,) = kinetics.rows(1)
    kinetics.in_time(axes, np.array([-1, 0, 1, 1]), 0.5, 2, "one")
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), [[0.5, 1], [1.0, 2], [1.5, 2]])
    _, axes = plt.subplots()
    kinetics.plane(axes, np.random.default_rng(0).random((50, 3)), np.arange(50) % 3 - 1, {0: np.ones((2, 3))})
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["not connected", "state 1", "state 2"]


def test_the_words_follow_the_numbers():
    table = np.array([[1.5, 1.52], [1.7, 1.72]])
    scores = {"rewhitened": table, "batch_mean": table - 0.1}
    quiet = np.random.default_rng(0).normal(1.6, 0.001, (20, 2))
    text = kinetics.why_scores_differ(scores, quiet, [3, 8], 3)
    assert "3 to 8 transitions" in text
    assert "groups differ by 0.141" in text
    assert "moves it by 0.014" in text
    assert "differs by -0.100" in text
    assert "chance of the data" in text
    scores["rewhitened"] = np.array([[1.2, 1.9], [1.2, 1.9]])
    assert "it is training" in kinetics.why_scores_differ(scores, quiet, [3, 8], 3)
    scores = {name: one[:, :1] for name, one in scores.items()}
    assert "give two seeds or more" in kinetics.why_scores_differ(scores, quiet, [3, 8], 3)
    history = np.array([[1.2, 1.2], [2.5, 1.5]])
    assert "memorise" in kinetics.memorised([history], [1], 1.5)
    assert "memorise" not in kinetics.memorised([history], [0], 1.5)

"""Paired gains between arms that share seeds, questions and redrawn parts."""

import numpy as np
import pytest

from lib.measure.twins import Score, level, mean_of, of_items, verdict


GROUPS = np.repeat([f"g{i}" for i in range(15)], 4)


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(5, 1, (3, 60))


def test_a_constant_gain_has_no_width_whatever_the_noise(values):
    old, new = of_items(values, GROUPS, 100), of_items(values + 0.01, GROUPS, 100)
    gain = new.gain(old)
    assert gain["value"] == pytest.approx(0.01)
    assert gain["low"] == pytest.approx(0.01)
    assert gain["high"] == pytest.approx(0.01)
    assert verdict(gain) == "better than"
    assert old.metric()["high"] - old.metric()["low"] > 0.1


def test_errors_gain_when_they_fall(values):
    old, new = (of_items(values - shift, GROUPS, 50, "σ²", larger=False) for shift in (0, 0.5))
    assert new.gain(old)["value"] == pytest.approx(0.5)
    assert new.gain(old)["unit"] == "σ²"
    share = of_items(values, GROUPS, 50, "%")
    assert (share.metric()["unit"], share.gain(share)["unit"]) == ("%", "points")
    assert verdict(old.gain(new)) == "worse than"


def test_noise_is_not_a_gain(values):
    other = np.random.default_rng(1).normal(5, 1, values.shape)
    assert verdict(of_items(other, GROUPS, 400).gain(of_items(values, GROUPS, 400))) == "not distinguishable from"


def test_items_that_nobody_was_asked_count_for_nothing(values):
    values[:, ::2] = np.nan
    score = of_items(values, GROUPS, 20)
    assert score.table.shape == (30, 3)
    assert score.metric()["value"] == pytest.approx(np.nanmean(values))


def test_the_mean_counts_every_task_once():
    long, short = Score(np.ones((100, 2)), np.full(10, 1.0)), Score(np.full((4, 2), 3.0), np.full(10, 3.0))
    both = mean_of([long, short])
    assert both.metric()["value"] == 2
    assert both.draws.tolist() == [2.0] * 10


def test_one_seed_takes_its_tolerance_from_the_draws():
    score = Score(np.array([[1.0], [2.0]]), np.array([1.0, 2.0, 1.5]))
    assert score.metric()["tolerance"] == pytest.approx(1.5)


def test_a_level_is_shown_with_its_interval():
    assert level({"value": 1.234, "low": 1.2, "high": None}) == "1.23 (1.2 to nan)"

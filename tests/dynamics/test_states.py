from dataclasses import replace

import numpy as np
import pytest
from dynamics.chains import outputs, sample

from lib.dynamics.groups import make_groups
from lib.dynamics.states import candidates, choose_states, held_out_scores, models_by_states, one_hot
from lib.dynamics.validation import markov_model
from lib.dynamics.vamp import rewhitened_score


def coupled(blocks, between, size=2):
    """Blocks of `size` states that mix within themselves at random, and rarely with the next one."""
    count = blocks * size
    matrix = np.zeros((count, count))
    for b in range(blocks):
        matrix[b * size : (b + 1) * size, b * size : (b + 1) * size] = 0.5
    for b in range(blocks - 1):
        i, j = b * size + 1, (b + 1) * size
        matrix[i, j] = matrix[j, i] = between
    return matrix / matrix.sum(1, keepdims=True)


def tried(matrix, frames, most, seeds=(1, 2, 3), lag=2):
    series = [outputs(sample(matrix, frames, seed), 0.05, seed) for seed in seeds]
    groups = make_groups([frames] * len(seeds), lag, len(seeds))
    return candidates(models_by_states(series, lag, most, clusters=12, samples=5), groups, samples=8)


@pytest.mark.parametrize("blocks", [2, 3])
def test_the_number_of_metastable_blocks_is_found(blocks):
    found = tried(coupled(blocks, 0.02), 6000, 4)
    best, reason = choose_states(found)
    assert best.states == blocks
    assert reason.startswith(f"{blocks} states. Its gap of")
    assert "holds within" in reason
    assert best.gap > 5
    assert best.entries > 10
    assert choose_states(found, 4)[0].states == 4
    assert f"By the rule: {blocks} states" in choose_states(found, 4)[1]
    with pytest.raises(ValueError, match="5 states asked for, expected at most the 4"):
        choose_states(found, 5)


def test_clusters_that_are_not_connected_end_the_search():
    series = [outputs(sample(coupled(2, 0.02), 3000, 1), 1e-3, 1)]
    assert list(models_by_states(series, 2, 6, clusters=4, samples=2)) == [2, 3, 4]
    with pytest.raises(ValueError, match="1 connected clusters"):
        models_by_states(series, 2, 3, clusters=1, samples=2)


def test_noise_has_no_states_and_that_is_said():
    rng = np.random.default_rng(0)
    series = [rng.standard_normal((1500, 2)) for _ in range(2)]
    models = {n: markov_model(series, 2, n, clusters=8, samples=5) for n in (2, 3)}
    best, reason = choose_states(candidates(models, make_groups([1500] * 2, 2, 2), samples=8))
    assert best.states == 2
    assert reason.startswith("No number of states qualifies")
    assert "Do not report" in reason


def test_a_gap_that_separates_nothing_is_called_a_choice():
    found = tried(coupled(2, 0.02), 6000, 3)
    narrow = [replace(c, gap=1.2) for c in found]
    assert "2 is a choice, not a finding" in choose_states(narrow)[1]
    assert "not Markovian" in choose_states([replace(found[0], deviation=0.3)])[1]


def test_each_objection_is_named():
    found = tried(coupled(2, 0.02), 6000, 2)[0]
    assert found.objection == ""
    assert "not resolved" in replace(found, low=1.9).objection
    assert "no faster process" in replace(found, gap=np.nan).objection
    assert "entered 1 times" in replace(found, entries=1).objection
    assert "no more predictable" in replace(found, gain=np.array([-0.1, 0.05])).objection


def test_one_hot_scores_are_those_of_the_partition():
    states = [sample(np.array([[0.97, 0.03], [0.05, 0.95]]), 3000, seed) for seed in (0, 1)]
    hot = one_hot(states, 2)
    assert hot[0].shape == (3000, 1)
    model = markov_model([h + 0.01 * np.random.default_rng(3).standard_normal(h.shape) for h in hot], 1, 2, 4, 5)
    groups = make_groups([3000, 3000], 1, 2)
    expected = [rewhitened_score([h], 1) for h in hot]  # one function: whose weights do not matter
    np.testing.assert_allclose(held_out_scores(model, 2, groups), expected, rtol=1e-6)

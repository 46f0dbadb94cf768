from itertools import pairwise

import numpy as np
import pytest
from dynamics.chains import outputs, sample

from lib.dynamics.crossvalidation import by_trajectory, held_out
from lib.dynamics.groups import (
    bootstrap_groups,
    complete,
    cross_validate_groups,
    group_moments,
    held_out_group,
    make_groups,
    shortest,
)
from lib.dynamics.uncertainty import moment_score
from lib.dynamics.vamp import rewhitened_score
from lib.dynamics.vampnet import Settings


MATRIX = np.array([[0.98, 0.02], [0.02, 0.98]])
LENGTHS = [1500, 900, 20, 700]
SERIES = [outputs(sample(MATRIX, n, n), 0.02, n).astype(np.float32) for n in LENGTHS]
SETTINGS = Settings(outputs=1, hidden=(8,), epochs=3, batch=200, learning_rate=1e-2)


def test_whole_trajectories_are_grouped_alike_and_short_ones_left_out():
    found = make_groups(LENGTHS, 10, 2)
    assert found.whole
    assert found.left_out == [2]
    assert found.note.startswith("Held out: 2 groups of whole trajectories. Too short")
    assert found.note.endswith("trajectories 3.")
    assert found.parts == [(0, 0, 1500), (1, 0, 900), (3, 0, 700)]
    assert found.groups == [[0], [1, 2]]
    assert len(make_groups(LENGTHS, 10, 9).groups) == 3


@pytest.mark.parametrize("seed", range(5))
def test_every_part_is_held_out_once_and_none_touches_another(seed):
    rng = np.random.default_rng(seed)
    lengths, lag = [*rng.integers(1, 3000, rng.integers(1, 6)).tolist(), 2000], int(rng.integers(1, 40))
    found = make_groups(lengths, lag, int(rng.integers(2, 6)))
    assert sorted(i for g in found.groups for i in g) == list(range(len(found.parts)))
    assert all(end - start >= shortest(lag) and end <= lengths[i] for i, start, end in found.parts)
    ordered = sorted(found.parts)
    for (a, _, end), (b, start, _) in pairwise(ordered):
        assert a != b or start - end >= lag


def test_a_single_trajectory_is_cut_into_blocks_a_lag_apart():
    found = make_groups([1000, 30], 10, 3)
    assert not found.whole
    assert found.left_out == [1]
    assert "blocks of one" in found.note
    assert found.parts == [(0, 0, 326), (0, 336, 662), (0, 672, 998)]
    assert len(make_groups([200], 10, 5).groups) == 3  # as many as are long enough
    with pytest.raises(ValueError, match=r"the longest trajectory holds 100 frames, expected at least 130"):
        make_groups([100, 40], 10, 2)
    with pytest.raises(ValueError, match="1 groups"):
        make_groups([1000], 10, 1)


def test_groups_of_one_score_as_whole_trajectories_do():
    series = [SERIES[0], SERIES[1], SERIES[3]]
    found = make_groups([len(s) for s in series], 2, 3)
    ours, theirs = held_out_group(series, found, 1, 2, 0, SETTINGS), held_out(series, 2, 1, 0, SETTINGS, 1000)
    assert (ours.rewhitened, ours.cross_validated) == (theirs.rewhitened, theirs.cross_validated)
    assert ours.batch_mean == theirs.batch_mean


def test_folds_of_unequal_groups_hold_out_what_they_say():
    found = make_groups(LENGTHS, 4, 2)
    folds = cross_validate_groups(found.cut(SERIES), found, 4, [0, 1], SETTINGS, stride=2)
    assert [(f.test, f.seed) for f in folds] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    exact = 1 + 0.96**8
    assert by_trajectory(folds).mean() == pytest.approx(exact, abs=0.15)
    assert folds[1].rewhitened == rewhitened_score(folds[1].outputs[1:], 4)
    draws = bootstrap_groups(folds, found, 4, 50)
    assert draws.shape == (50, 2)
    low, high = np.quantile(draws.mean(1), [0, 1])
    assert low < by_trajectory(folds).mean() < high
    again = bootstrap_groups(folds, found, 4, 50)
    np.testing.assert_array_equal(draws, again)


def test_all_blocks_together_are_the_score():
    parts = [SERIES[1][:841].astype(float), SERIES[3][:561].astype(float)]  # 840 and 560 pairs: ten blocks of 140
    moments = group_moments(parts, 1)
    assert moment_score(moments.sum(0)) == pytest.approx(rewhitened_score(parts, 1), abs=1e-9)
    assert len(moments) == 10


def test_seeds_with_a_failed_fit_are_left_out():
    found = make_groups(LENGTHS, 4, 2)
    folds = cross_validate_groups(found.cut(SERIES), found, 4, [0, 1], SETTINGS)
    folds[2].fit.failed = "diverged"
    assert [f.seed for f in complete(folds)] == [0, 0]
    folds[0].fit.failed = "collapsed"
    with pytest.raises(ValueError, match="each of the seeds"):
        complete(folds)

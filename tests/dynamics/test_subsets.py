from functools import partial

import numpy as np
import pytest

from lib.dynamics import subsets
from lib.dynamics.crossvalidation import held_out
from lib.dynamics.vampnet import Settings


LONG = [np.arange(1000.0 * i, 1000.0 * i + 600)[:, None].astype(np.float32) for i in range(3)]
SETTINGS = Settings(outputs=1, hidden=(8,), epochs=2, batch=100)


def two_state(frames, seed):
    random = np.random.default_rng(seed)
    jumps = np.cumsum(random.random(frames) < 0.03) % 2
    return np.stack([jumps + 0.1 * random.standard_normal(frames), random.standard_normal(frames)], 1).astype(
        np.float32
    )


DATA = [two_state(1500, seed) for seed in range(3)]


def test_a_fraction_is_the_beginning_of_each():
    found = subsets.first_part(LONG, 0.25)
    for part, whole in zip(found, LONG):
        np.testing.assert_array_equal(part, whole[:150])
    for fraction in (0.0, 1.1, float("nan")):
        with pytest.raises(ValueError, match="expected more than 0 and at most 1"):
            subsets.first_part(LONG, fraction)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12, 50])
def test_pieces_are_contiguous_apart_and_of_the_amount(count):
    found = subsets.pieces(LONG, 600, count)
    assert len(found) == count
    assert {len(p) for p in found} == {600 // count}
    for piece in found:
        np.testing.assert_array_equal(np.diff(piece[:, 0]), 1)
    frames = np.concatenate(found)
    assert len(np.unique(frames)) == len(frames)  # no frame twice
    used = {int(p[0, 0]) // 1000 for p in found}
    assert len(used) == min(count, 3)  # spread over the trajectories


def test_one_piece_is_the_first_trajectorys_beginning():
    np.testing.assert_array_equal(subsets.pieces(LONG, 200, 1)[0], LONG[0][:200])


def test_pieces_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="1 pieces of 601 frames"):
        subsets.pieces(LONG, 601, 1)
    with pytest.raises(ValueError, match="4 pieces of 400 frames"):
        subsets.pieces(LONG, 1600, 4)
    with pytest.raises(ValueError, match="900 pieces of 0 frames"):
        subsets.pieces(LONG, 600, 900)


def test_many_pieces_stop_by_whole_ones_and_few_by_their_ends():
    train, inner = subsets.stopping_split(subsets.pieces(LONG, 600, 10), 2)
    assert (len(train), len(inner)) == (8, 2)
    assert not {p[0, 0] for p in train} & {p[0, 0] for p in inner}
    train, inner = subsets.stopping_split(LONG, 2)
    assert [len(t) for t in train] == [478] * 3  # a fifth less, and a gap of the lag
    assert [len(t) for t in inner] == [120] * 3


def test_all_frames_give_the_fit_of_cross_validation():
    whole = subsets.subset_fold(DATA, 5, 1, 3, SETTINGS, list)
    assert whole.rewhitened == held_out(DATA, 5, 1, 3, SETTINGS, 1000).rewhitened
    assert whole.rewhitened > 1.2


def test_the_test_trajectory_is_whole_and_never_seen():
    blind = [DATA[0], np.full_like(DATA[1], np.nan), DATA[2]]
    with pytest.raises(ValueError, match="NaN"):
        subsets.subset_fold(blind, 5, 0, 0, SETTINGS, list)  # it would train on the NaN
    few = partial(subsets.first_part, fraction=0.3)
    fold = subsets.subset_fold(DATA, 5, 1, 0, SETTINGS, few)
    other = [DATA[0], DATA[1][::-1].copy(), DATA[2]]
    same = subsets.subset_fold(other, 5, 1, 0, SETTINGS, few)
    np.testing.assert_array_equal(fold.outputs[0], same.outputs[0])
    assert len(fold.outputs[1]) == 1500


def test_less_data_gets_as_many_steps():
    fold = subsets.subset_fold(DATA, 5, 0, 0, SETTINGS, partial(subsets.first_part, fraction=0.5))
    assert fold.fit.settings.epochs == 4
    assert fold.fit.settings.patience == 10


def test_thinned_frames_keep_the_lag_in_time():
    fold = subsets.subset_fold(DATA, 6, 0, 0, SETTINGS, list, every=3)
    assert fold.fit.settings.epochs == 6
    assert fold.rewhitened > 1.2
    with pytest.raises(ValueError, match="every 4 frames at a lag of 6, expected a divisor"):
        subsets.subset_fold(DATA, 6, 0, 0, SETTINGS, list, every=4)


def test_folds_are_those_of_every_seed_and_trajectory():
    choose = partial(subsets.pieces, frames=600, count=6)
    found = subsets.subset_folds(DATA, 5, [0, 4], SETTINGS, choose, jobs=1)
    assert [(f.test, f.seed) for f in found] == [(t, s) for s in (0, 4) for t in range(3)]
    assert found[4].rewhitened == subsets.subset_fold(DATA, 5, 1, 4, SETTINGS, choose).rewhitened


def test_labels_are_left_that_every_trajectory_visits():
    labels = [np.array([0, 4, 4, 7, 4]), np.array([4, 0, 9, 0]), np.array([0, 4, 0])]
    found = subsets.shared_labels([x.astype(np.int32) for x in labels])
    assert [x.tolist() for x in found] == [[0, 1, 1, 0, 1], [1, 0, 0, 0], [0, 1, 0]]
    assert {x.dtype for x in found} == {np.dtype(np.int64)}
    with pytest.raises(ValueError, match="1 labels are visited by every trajectory"):
        subsets.shared_labels([np.array([0, 1]), np.array([0, 2])])

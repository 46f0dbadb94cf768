"""Retrieval on points whose neighbours are known."""

import numpy as np
import pytest

from lib.measure.retrieval import allowed, chance, group_bootstrap, nearest_agrees


LABELS = np.array(["a", "a", "b", "b", "c", ""])
LINE = np.array([[0.0], [1.0], [5.0], [5.5], [1.2], [0.1]])


def test_the_nearest_labelled_item_answers():
    # item 0: nearest is 5, which has no label, then 1; item 1: nearest is 4; item 4 is alone with its label
    np.testing.assert_array_equal(nearest_agrees(LINE, LABELS), [1, 0, 1, 1, np.nan, np.nan])


def test_excluded_pairs_do_not_answer():
    excluded = np.zeros((6, 6), bool)
    excluded[0, 1] = excluded[1, 0] = True
    np.testing.assert_array_equal(nearest_agrees(LINE, LABELS, excluded), [np.nan, np.nan, 1, 1, np.nan, np.nan])
    excluded[2, 3] = excluded[3, 2] = True
    assert np.isnan(nearest_agrees(LINE, LABELS, excluded)).all()


def test_only_those_are_asked_who_can_be_answered():
    may, asked = allowed(LABELS)
    np.testing.assert_array_equal(asked, [True] * 4 + [False] * 2)
    assert not may[:, 5].any()
    assert not may.diagonal().any()


def test_scale_and_constant_columns_do_not_matter():
    wide = np.concatenate([1000 * LINE, np.full((6, 1), 3.0)], 1)
    np.testing.assert_array_equal(nearest_agrees(wide, LABELS), nearest_agrees(LINE, LABELS))
    with pytest.raises(ValueError, match="1 of 6 features"):
        nearest_agrees(np.where(LINE == 1, np.nan, LINE), LABELS)


def test_chance_is_what_random_features_reach():
    labels = np.array(list("aaaabbc") * 3)
    random = np.random.default_rng(0)
    found = [np.nanmean(nearest_agrees(random.normal(size=(21, 3)), labels)) for _ in range(400)]
    assert np.mean(found) == pytest.approx(chance(labels), abs=0.02)


def test_relatives_are_redrawn_together():
    groups = np.repeat(np.arange(20).astype(str), 10)
    values = np.repeat(np.random.default_rng(0).integers(2, size=20), 10).astype(float)
    wide, narrow = group_bootstrap(values, groups, 2000), group_bootstrap(values, np.arange(200), 2000)
    assert wide.std() == pytest.approx(values.std() / np.sqrt(20), rel=0.1)
    assert narrow.std() == pytest.approx(values.std() / np.sqrt(200), rel=0.1)
    with pytest.raises(ValueError, match="1 groups"):
        group_bootstrap(values, np.zeros(200), 2)


def test_draws_are_paired_over_features():
    groups = np.arange(30)
    values = np.random.default_rng(1).integers(2, size=(1, 30)).astype(float)
    np.testing.assert_allclose(group_bootstrap(values, groups, 50), group_bootstrap(values + 1, groups, 50) - 1)
    np.testing.assert_allclose(
        group_bootstrap(values, groups, 50), group_bootstrap(np.tile(values, (3, 1)), groups, 50)
    )
    values[0, 3] = np.nan
    assert np.isfinite(group_bootstrap(values, groups, 50)).all()

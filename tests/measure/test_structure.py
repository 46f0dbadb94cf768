"""Secondary structure and relatives of known domains."""

from dataclasses import replace

import numpy as np
import pytest

from lib.measure.structure import identity, secondary


def test_villin_is_three_helices(domains):
    letters = secondary(domains)[0]
    assert len(letters) == 35
    assert len([run for run in letters.replace("E", "C").split("C") if len(run) >= 4]) == 3


def test_pairs_are_sorted_by_their_relation(domains):
    groups = np.array(["a.0.0", "a.0.0", "a.0.1", "b.0.0", "a.1.0", "b.0.0"])
    found = identity(replace(domains, group=groups))
    assert {level: len(values) for level, values in found.items()} == {
        "same family": 2,
        "same superfamily": 2,
        "same fold": 3,
        "different folds": 8,
    }
    assert found["same family"].tolist() == pytest.approx([1, 1])  # two villins, two pentapeptides
    assert (found["different folds"] == 1).sum() == 2  # the pentapeptide that is called a.1.0, with the other two

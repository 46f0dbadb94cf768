import numpy as np
import pytest

from lib.data.mixture import mixed, put_aside
from lib.data.molecules import MoleculeSet


def test_a_mixture_keeps_geometries_and_splits(molecules):
    other = molecules.take(np.arange(30))
    other.smiles = np.array([f"N{i}" for i in range(30)])
    both = mixed([molecules, other])
    assert (len(both), both.molecule, both.atom) == (70, {}, {})
    np.testing.assert_array_equal(both.split[40:], other.split)
    np.testing.assert_array_equal(both.pos[both.offsets[40] :], other.pos)


def test_a_molecule_that_another_set_holds_out_is_refused(molecules):
    other = MoleculeSet(molecules.z, molecules.pos, molecules.offsets, 2 - molecules.split, molecules.smiles)
    with pytest.raises(ValueError, match="are held out in one set and trained on in another"):
        mixed([molecules, other])


def test_what_is_put_aside_is_taken_from_training_alone(molecules):
    new = put_aside(molecules, 6, seed=0)
    held = molecules.split > 0
    np.testing.assert_array_equal(new.split == 2, held)
    assert (new.split == 1).sum() == 6
    assert not (new.split[held] == 1).any()
    assert (put_aside(molecules, 6, seed=1).split != new.split).any()
    np.testing.assert_array_equal(put_aside(molecules, 6, seed=0).split, new.split)
    assert molecules.split.tolist().count(1) == 8  # the set itself is left alone


def test_conformers_of_one_molecule_stay_together(molecules):
    molecules.smiles = np.array([f"M{i // 4}" for i in range(40)])
    new = put_aside(molecules, 6, seed=0)
    assert (new.split == 1).sum() == 8
    assert not set(new.smiles[new.split == 1]) & set(new.smiles[new.split == 0])


@pytest.mark.parametrize("count", [0, 24])
def test_an_impossible_part_is_named(molecules, count):
    with pytest.raises(ValueError, match=f"{count} geometries to put aside, expected from 1 to below the 24"):
        put_aside(molecules, count, 0)


def test_nothing_is_left_when_there_is_one_parent(molecules):
    molecules.smiles = np.repeat("C", 40)
    with pytest.raises(ValueError, match="all 1 training molecules"):
        put_aside(molecules, 5, 0)

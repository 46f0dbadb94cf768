"""Parts of a set by atoms."""

import pytest

from lib.data.portions import portion


ATOMS = {"train": 60, "validation": 20, "test": 20}


def test_atoms_are_those_asked_for_but_for_one_molecule(molecules):
    part = portion(molecules, ATOMS, 0)
    for split, wanted in ATOMS.items():
        atoms = part.sizes[part.of_split(split)].sum()
        assert wanted <= atoms < wanted + molecules.sizes.max()
        assert set(part.smiles[part.of_split(split)]) <= set(molecules.smiles[molecules.of_split(split)])
    assert len(set(part.smiles)) == len(part)


def test_draws_depend_on_the_seed_alone(molecules):
    assert (portion(molecules, ATOMS, 0).smiles == portion(molecules, ATOMS, 0).smiles).all()
    assert list(portion(molecules, ATOMS, 0).smiles) != list(portion(molecules, ATOMS, 1).smiles)


def test_more_than_there_is_is_refused(molecules):
    held = int(molecules.sizes[molecules.of_split("test")].sum())
    with pytest.raises(ValueError, match=f"{held + 1} atoms of test asked for, expected 1 to {held}"):
        portion(molecules, ATOMS | {"test": held + 1}, 0)
    assert len(portion(molecules, ATOMS | {"test": held}, 0).of_split("test")) == len(molecules.of_split("test"))

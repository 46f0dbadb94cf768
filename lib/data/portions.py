"""A part of a set with a given number of atoms, so that sets of unlike molecules can be compared or mixed fairly."""

import numpy as np

from lib.data.molecules import SPLITS, MoleculeSet


def portion(molecules: MoleculeSet, atoms: dict[str, int], seed: int) -> MoleculeSet:
    """Geometries of each split, drawn at random by `seed`, until they have so many atoms: at most one geometry more.

    atoms: split -> number of atoms. Every atom is a target of denoising, so this, and not the number of geometries, is
    how much an encoder sees. Raises ValueError for a split that holds fewer.
    """
    random, chosen = np.random.default_rng(seed), []
    for split in SPLITS:
        order = random.permutation(molecules.of_split(split))
        total = np.cumsum(molecules.sizes[order])
        if atoms[split] < 1 or not len(order) or total[-1] < atoms[split]:
            found = int(total[-1]) if len(order) else 0
            raise ValueError(f"{atoms[split]} atoms of {split} asked for, expected 1 to {found}")
        chosen.append(np.sort(order[: int(np.searchsorted(total, atoms[split])) + 1]))
    return molecules.take(np.concatenate(chosen))

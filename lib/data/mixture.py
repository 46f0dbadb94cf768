"""Several packed sets as one, and a part of the training molecules put aside for choices."""

import numpy as np

from lib.data.molecules import SPLITS, MoleculeSet, concatenate


def mixed(sets: list[MoleculeSet]) -> MoleculeSet:
    """The geometries of several sets as one, without their targets, which differ; each keeps its split.

    Raises ValueError when a molecule that one set holds out is a training molecule of another: it would be seen.
    """
    held = np.unique(np.concatenate([s.smiles[s.split > 0] for s in sets]))
    seen = np.unique(np.concatenate([s.smiles[s.split == 0] for s in sets]))
    both = np.intersect1d(held, seen)
    if len(both):
        raise ValueError(
            f"{len(both)} molecules, {both[0]} among them, are held out in one set and trained on in another"
        )
    return concatenate([MoleculeSet(s.z, s.pos, s.offsets, s.split, s.smiles) for s in sets])


def put_aside(molecules: MoleculeSet, count: int, seed: int) -> MoleculeSet:
    """The same set split anew for a study that makes choices: about `count` training geometries become `validation`.

    `test` is then all that was held out before, validation and test, which no choice may look at. By parent molecule:
    conformers of one molecule stay together. Raises ValueError when no training molecule would be left.
    """
    train = molecules.split == SPLITS.index("train")
    if not 0 < count < train.sum():
        raise ValueError(f"{count} geometries to put aside, expected from 1 to below the {train.sum()} for training")
    parents, parent = np.unique(molecules.smiles[train], return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(parents))
    total = np.cumsum(np.bincount(parent)[order])
    chosen = order[: int(np.searchsorted(total, count)) + 1]
    if len(chosen) == len(parents):
        raise ValueError(f"{count} geometries are those of all {len(parents)} training molecules; none would be left")
    split = np.where(train, SPLITS.index("train"), SPLITS.index("test")).astype(molecules.split.dtype)
    split[np.flatnonzero(train)[np.isin(parent, chosen)]] = SPLITS.index("validation")
    return MoleculeSet(
        molecules.z, molecules.pos, molecules.offsets, split, molecules.smiles, molecules.molecule, molecules.atom
    )

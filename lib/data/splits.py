"""Which molecules train, validate and test: by parent molecule, at random, by scaffold, or by time."""

import numpy as np

from lib.data.molecules import SPLITS


TRAIN, VALIDATION, TEST = range(len(SPLITS))


def by_parent(parent: np.ndarray, held_out: tuple[float, float], seed: int) -> np.ndarray:
    """(n,) uint8 split; all conformers of a parent go one way.

    parent: (n,) equal for conformers of one molecule. held_out: validation and test, as shares of the distinct parents
    or, above 1, as their numbers. Raises ValueError if nothing is left to train on.
    """
    distinct, own = np.unique(parent, return_inverse=True)
    shares = np.array([x * len(distinct) if x < 1 else x for x in held_out])
    # Rounded up, but 0.15 * 200 is 30 although floating point makes it a little more.
    first, second = np.ceil(np.cumsum(shares) - 1e-6)
    if second >= len(distinct):
        raise ValueError(f"{held_out} held out of {len(distinct)} distinct molecules, expected some left to train on")
    place = np.random.default_rng(seed).permutation(len(distinct))
    return np.where(place < first, VALIDATION, np.where(place < second, TEST, TRAIN)).astype(np.uint8)[own]


def at_random(molecules: int, train: int, validation: int, seed: int) -> np.ndarray:
    """(n,) uint8 split of n molecules: `train` and `validation` of them, and the rest for the test.

    QM9's usual one has 110,000, 10,000 and the remaining 10,831. Raises ValueError if there are not that many.
    """
    _enough(molecules, train, validation)
    split = np.full(molecules, TEST, np.uint8)
    order = np.random.default_rng(seed).permutation(molecules)
    split[order[:train]], split[order[train : train + validation]] = TRAIN, VALIDATION
    return split


def usual(molecules: int, train: int, validation: int, least: int, seed: int) -> np.ndarray:
    """(n,) uint8 split at random in a set's usual numbers, or 80 / 10 / 10 % where no more than `least` were packed."""
    sizes = (train, validation) if molecules > least else (int(0.8 * molecules), int(0.1 * molecules))
    return at_random(molecules, *sizes, seed)


def by_time(trajectories: int, frames: int, held_out: tuple[float, float]) -> np.ndarray:
    """(trajectories * frames,) uint8 split: the first frames of every trajectory train, the last are for the test.

    held_out: shares of validation and test. Raises ValueError if a side would be empty.
    """
    validation, test = (round(share * frames) for share in held_out)
    if min(validation, test) < 1 or validation + test >= frames:
        raise ValueError(f"{held_out} held out of {frames} frames, expected some for each of the three sides")
    own = np.repeat([TRAIN, VALIDATION, TEST], [frames - validation - test, validation, test]).astype(np.uint8)
    return np.tile(own, trajectories)


def murcko(smiles: str) -> str:
    """SMILES of the Bemis-Murcko scaffold (J. Med. Chem. 39, 2887, 1996), its rings and linkers; "" without a ring.

    Raises ValueError for a SMILES that RDKit does not read.
    """
    from rdkit import Chem
    from rdkit.Chem.Scaffolds.MurckoScaffold import GetScaffoldForMol

    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        molecule = Chem.MolFromSmiles(smiles, sanitize=False)  # QM9 holds a few valences that RDKit doubts
        if molecule is None:
            raise ValueError(f"{smiles!r} is no SMILES that RDKit reads")
        molecule.UpdatePropertyCache(strict=False)
        Chem.FastFindRings(molecule)
    return Chem.MolToSmiles(GetScaffoldForMol(molecule), isomericSmiles=False)


def by_scaffold(
    scaffolds: np.ndarray, train: int, validation: int, acyclic: str = "together", seed: int = 0
) -> np.ndarray:
    """(n,) uint8 split in which no scaffold is on two sides: the largest groups train, the smallest are for the test.

    scaffolds: (n,) str of `murcko`. Groups are taken by falling size (ties: by name); a group that no longer fits into
    training goes to validation, else to the test, so that sizes are at most, and about, those asked for.
    acyclic: molecules without a ring share the empty scaffold. "together": they are one group like the others (a large
    one, which trains); "apart": they have nothing in common, each is a group of its own, and they are dealt to the
    three sides at random by `seed`, in the proportions asked for.
    """
    _enough(len(scaffolds), train, validation)
    if acyclic not in ("together", "apart"):
        raise ValueError(f"acyclic is {acyclic!r}, expected 'together' or 'apart'")
    split = np.full(len(scaffolds), TEST, np.uint8)
    room = {TRAIN: train, VALIDATION: validation}
    ringless = np.flatnonzero(np.asarray(scaffolds) == "")
    if acyclic == "apart" and len(ringless):
        shares = [round(len(ringless) * side / len(scaffolds)) for side in (train, validation)]
        split[ringless] = at_random(len(ringless), *shares, seed)
        room = {side: room[side] - own for side, own in zip(room, shares)}
    names, group, count = np.unique(scaffolds, return_inverse=True, return_counts=True)
    goal = np.full(len(names), TEST, np.uint8)
    for k in np.lexsort((np.arange(len(names)), -count)):
        if names[k] == "" and acyclic == "apart":
            continue
        for side in (TRAIN, VALIDATION):
            if count[k] <= room[side]:
                goal[k], room[side] = side, room[side] - count[k]
                break
    grouped = np.ones(len(scaffolds), bool) if acyclic == "together" else np.asarray(scaffolds) != ""
    split[grouped] = goal[group[grouped]]
    return split


def _enough(molecules: int, train: int, validation: int) -> None:
    if train < 1 or validation < 1 or train + validation >= molecules:
        raise ValueError(f"{train} + {validation} of {molecules} molecules asked for, expected some left for the test")

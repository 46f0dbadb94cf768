"""Short peptides of all amino acids, built from torsions and relaxed, as charged as they are in water."""

from collections.abc import Iterable
from itertools import product

import numpy as np

from lib.make.backbone import BASINS, WEIGHTS, extend, fragment, oxygens
from lib.make.folds import ONE_LETTER
from lib.make.relaxation import relax
from lib.make.windows import barred


ATTEMPTS = 4  # at a peptide whose clashes stay
JITTER_DEG = 15.0  # of torsions about the middle of their basin
PROLINE_PHI_DEG = -65.0  # its ring leaves no other


def sequences(dipeptides: int, tripeptides: int, judged: Iterable[str], seed: int) -> list[str]:
    """Distinct sequences in one-letter code: so many of the dipeptides and tripeptides, drawn at random.

    Those that a judged peptide holds are left out (`windows.barred`). Raises ValueError where more are asked for than
    there are.
    """
    random, judged, found = np.random.default_rng(seed), tuple(judged), []
    for length, count in ((2, dipeptides), (3, tripeptides)):
        every = ["".join(letters) for letters in product(ONE_LETTER, repeat=length)]
        every = [letters for letters in every if not barred(letters, judged)]
        if not 0 <= count <= len(every):
            raise ValueError(f"{count} peptides of {length} residues asked for, expected 0 to {len(every)}")
        found += [every[i] for i in random.permutation(len(every))[:count]]
    return found


def peptide(letters: str, seed: int) -> dict | None:
    """A record {smiles, z, pos, molecule, atom} of one relaxed peptide, or None where every attempt failed.

    smiles: the sequence. Torsions start in basins of the Ramachandran plot drawn by `seed` and the sequence.
    """
    names, random = [ONE_LETTER[letter] for letter in letters], np.random.default_rng([seed, *letters.encode()])
    for _ in range(ATTEMPTS):
        basin = BASINS[random.choice(len(BASINS), len(names), p=WEIGHTS)]
        angles = basin + random.normal(0, JITTER_DEG, basin.shape)
        angles[np.array(names) == "PRO", 0] = PROLINE_PHI_DEG
        phi, psi = np.radians(angles).T
        first = fragment("E", 1 + 2)[:1]  # its own φ has no meaning: nothing comes before it
        backbone = np.concatenate([first, extend(first[0], psi[:-1], phi[1:])])
        found = relax(names, np.concatenate([backbone, oxygens(backbone)[:, None]], 1), int(random.integers(1, 2**31)))
        if found is not None:
            z = np.array([atom.element.atomic_number for atom in found[0].atoms()], np.uint8)
            return {"smiles": letters, "z": z, "pos": found[1], "molecule": {}, "atom": {}}
    return None

"""Are numbers in the units that their source is said to have? Physics tells Å from nm and bohr, eV from hartree."""

import itertools
from collections.abc import Callable

import numpy as np

from lib.data.sources.records import Records
from lib.fields import check_angstrom


HARTREE = 27.211386246  # eV, as in PyG's QM9
KCAL = 0.04336414  # eV of one kcal/mol, as in PyG's QM9
LOOKED_AT = 200  # molecules
BONDED = (0.85, 1.7)  # Å; median distance to the nearest atom in sets that have their hydrogens
CORE = 36  # elements up to krypton have all their electrons in every basis of these sets


def first(records: Records, count: int = LOOKED_AT) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(z, pos, offsets) of the first molecules."""
    offsets = np.concatenate([[0], np.cumsum(records.sizes[:count])])
    return records.z[: offsets[-1]], records.pos[: offsets[-1]], offsets


def check_bonds(records: Records, source: str) -> None:
    """Raise ValueError unless distances are those of molecules with hydrogens in Å."""
    _, pos, offsets = first(records)
    check_angstrom(pos, offsets, source)
    nearest = []
    for start, stop in itertools.pairwise(offsets):
        own = pos[start:stop].astype(float)
        apart = np.linalg.norm(own[:, None] - own, axis=-1) + np.diag(np.full(len(own), np.inf))
        nearest.append(apart.min(1))
    median = float(np.median(np.concatenate(nearest)))
    if np.isfinite(median) and not BONDED[0] < median < BONDED[1]:
        unit = "these look like bohr" if 1.7 <= median < 2.6 else "check the unit"
        raise ValueError(
            f"{source}: the median distance to the nearest atom is {median:.2f}, expected {BONDED} Å; {unit}"
        )


def free_atoms(z: np.ndarray) -> np.ndarray:
    """(N,) energy of neutral atoms in eV, to about 5 %: E = -0.7687 Z^7/3 + 0.5 Z^2 - 0.2699 Z^5/3 hartree.

    Thomas-Fermi energy with the corrections of Scott and Schwinger (Phys. Rev. A 22, 1827, 1980).
    """
    z = z.astype(float)
    return (-0.7687 * z ** (7 / 3) + 0.5 * z**2 - 0.2699 * z ** (5 / 3)) * HARTREE


def check_total_energy(z: np.ndarray, offsets: np.ndarray, energy: np.ndarray, source: str) -> None:
    """Raise ValueError unless total all-electron energies (n,), thought to be in eV, are near those of the free atoms.

    z: (N,), offsets: (n + 1,). Molecules with elements beyond krypton, whose core is often left out, do not count.
    """
    light = np.maximum.reduceat(z, offsets[:-1]) <= CORE
    ratio = (energy / np.add.reduceat(free_atoms(z), offsets[:-1]))[light]
    if len(ratio) and not 0.9 < (median := float(np.median(ratio))) < 1.1:
        known = {1 / HARTREE: "hartree", 1 / KCAL: "kcal/mol", 96.485: "kJ/mol"}
        unit = next((name for factor, name in known.items() if 0.9 < median / factor < 1.1), "in another unit")
        raise ValueError(
            f"{source}: total energies are {median:.3g} times those of the free atoms in eV, expected 0.9 to 1.1; "
            f"they may be {unit}"
        )


def energies_of(field: str, source: str) -> Callable[[Records], None]:
    """The check of `pack` that total energies in this field of the records, thought to be in eV, are that."""

    def check(records: Records) -> None:
        offsets = np.concatenate([[0], np.cumsum(records.sizes)])
        check_total_energy(records.z, offsets, records.molecule[field], source)

    return check

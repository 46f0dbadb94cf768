"""Pieces of matter that are far from organic molecules: water, ionic and covalent crystals. ASE, without randomness."""

import importlib.resources

import mdtraj
import numpy as np
from ase import Atoms
from ase.build import bulk, graphene
from ase.spacegroup import crystal

from lib.data.frames import ANGSTROM_PER_NM


BOX = ("openmm.app.data", "tip3p.pdb")  # liquid water, equilibrated by the OpenMM project
# Conventional cells at room temperature; lattice constants in Å (CRC Handbook; quartz: Levien et al. 1980).
CRYSTALS = {
    "LiF": lambda: bulk("LiF", "rocksalt", a=4.027, cubic=True),
    "NaCl": lambda: bulk("NaCl", "rocksalt", a=5.640, cubic=True),
    "MgO": lambda: bulk("MgO", "rocksalt", a=4.212, cubic=True),
    "diamond": lambda: bulk("C", "diamond", a=3.567, cubic=True),
    "silicon": lambda: bulk("Si", "diamond", a=5.431, cubic=True),
    "boron nitride": lambda: bulk("BN", "zincblende", a=3.616, cubic=True),
    "quartz": lambda: crystal(
        ["Si", "O"],
        [(0.4697, 0, 2 / 3), (0.4133, 0.2672, 0.7855)],
        spacegroup=154,
        cellpar=[4.916, 4.916, 5.405, 90, 90, 120],
    ),
    "graphite sheet": lambda: graphene("C2", a=2.461, vacuum=5.0),
}


def ball(cell: Atoms, atoms: int) -> Atoms:
    """About `atoms` atoms of a crystal in its stoichiometry: of each element those nearest to the centre of one cell.

    Ties are broken by place, so the fragment is always the same. Cut bonds stay as they are. Raises ValueError for
    fewer than 2 atoms.
    """
    if atoms < 2:
        raise ValueError(f"a fragment of {atoms} atoms, expected at least 2")
    shortest = min(np.linalg.norm(cell.cell[i]) for i in range(3) if cell.pbc[i])
    times = 2 * int(np.ceil((3 * atoms * cell.get_volume() / len(cell)) ** (1 / 3) / shortest)) + 1
    whole = cell.repeat([times if periodic else 1 for periodic in cell.pbc])
    centre = whole.cell.sum(0) / 2 + 0.01 * np.array([3, 2, 1])  # off the symmetric point: fewer ties
    distance = np.linalg.norm(whole.positions - centre, axis=1)
    order = np.lexsort((*whole.positions.T.round(6), distance.round(6)))
    kept = []
    for element in np.unique(cell.numbers):
        count = max(1, round(atoms * float(np.mean(cell.numbers == element))))
        kept.append(order[whole.numbers[order] == element][:count])
    return whole[np.sort(np.concatenate(kept))]


def water(molecules: int) -> Atoms:
    """The `molecules` molecules nearest to the centre of OpenMM's box of liquid TIP3P water, with open boundaries."""
    with importlib.resources.as_file(importlib.resources.files(BOX[0]) / BOX[1]) as path:
        box = mdtraj.load(str(path))
    whole = [r for r in box.topology.residues if r.n_atoms == 3]
    if not 0 < molecules <= len(whole):
        raise ValueError(f"{molecules} molecules of water, expected 1 to {len(whole)}")
    pos = box.xyz[0] * ANGSTROM_PER_NM
    oxygen = np.array([next(a.index for a in r.atoms if a.element.symbol == "O") for r in whole])
    distance = np.linalg.norm(pos[oxygen] - pos[oxygen].mean(0), axis=1)
    chosen = [whole[i] for i in np.argsort(distance, kind="stable")[:molecules]]
    atoms = [a for r in chosen for a in r.atoms]
    return Atoms([a.element.symbol for a in atoms], pos[[a.index for a in atoms]])


def fragment(kind: str, size: int) -> Atoms:
    """`size` molecules of "water", or about `size` atoms of one of CRYSTALS; ValueError for what is neither."""
    if kind == "water":
        return water(size)
    if kind not in CRYSTALS:
        raise ValueError(f"no kind of matter {kind!r}, expected water or one of {', '.join(CRYSTALS)}")
    return ball(CRYSTALS[kind](), size)

"""One atom that says where a residue is: its CA, or the methyl carbon of a cap, which stands where a CA would."""

import mdtraj
import numpy as np

from lib.data.trajectories import System


def anchors(system: System) -> np.ndarray:
    """(token,) int64 columns of the system's positions, one for each residue of its selection.

    Raises ValueError for a residue with neither a CA nor a methyl carbon in the selection.
    """
    atoms = [system.topology.atom(i) for i in system.selection]
    methyls = _methyls(system.topology)
    found = []
    for token in range(int(system.residue.max()) + 1):
        own = np.flatnonzero(system.residue == token)
        places = [i for i in own if atoms[i].name == "CA"] or [i for i in own if atoms[i].index in methyls]
        if not places:
            raise ValueError(
                f"residue {atoms[own[0]].residue} of {system.name} has neither CA nor methyl carbon in the selection"
            )
        found.append(places[0])
    return np.array(found)


def _methyls(topology: mdtraj.Topology) -> set[int]:
    """Indices of the carbons that are bonded to three hydrogens."""
    hydrogens = dict.fromkeys(range(topology.n_atoms), 0)
    for bond in topology.bonds:
        for atom, other in ((bond[0], bond[1]), (bond[1], bond[0])):
            hydrogens[atom.index] += other.element.symbol == "H"
    return {i for i, count in hydrogens.items() if count == 3 and topology.atom(i).element.symbol == "C"}

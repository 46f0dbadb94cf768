"""An extended chain from a folded start structure: `python -m lib.make.extend chignolin` writes chignolin-extended.pdb.

Every backbone torsion is turned to that of an antiparallel strand (proline's phi cannot be), bonds, angles and side
chains stay, and energy minimisation in implicit solvent parts what overlaps. A start for dynamics, not a result.
"""

import itertools
import sys

import numpy as np
import openmm
from openmm import app, unit
from rdkit import Chem
from rdkit.Chem import rdMolTransforms

from lib.make.dynamics import START, start_structure


PHI_DEG, PSI_DEG = -139.0, 135.0


def turned(name: str) -> np.ndarray:
    """(atom, 3) Å of a start structure with its backbone torsions turned; the order of the atoms is kept."""
    molecule = Chem.MolFromPDBFile(str(START / f"{name}.pdb"), removeHs=False, sanitize=False)
    Chem.FastFindRings(molecule)
    place = {
        (info.GetResidueNumber(), info.GetName().strip()): atom.GetIdx()
        for atom in molecule.GetAtoms()
        if (info := atom.GetPDBResidueInfo())
    }
    conformer, numbers = molecule.GetConformer(), sorted({number for number, _ in place})
    for before, after in itertools.pairwise(numbers):
        c, n = place[before, "C"], place[after, "N"]
        psi = (place[before, "N"], place[before, "CA"], c, n)
        phi = (c, n, place[after, "CA"], place[after, "C"])
        for torsion, degrees in ((psi, PSI_DEG), (phi, PHI_DEG)):
            if not molecule.GetBondBetweenAtoms(*torsion[1:3]).IsInRing():
                rdMolTransforms.SetDihedralDeg(conformer, *torsion, degrees)
    return conformer.GetPositions()


def extended(name: str) -> tuple[app.Topology, np.ndarray]:
    """Topology and (atom, 3) Å of a start structure as an extended chain, minimised."""
    topology = start_structure(name).topology
    field = app.ForceField("amber99sbildn.xml", "amber99_obc.xml")
    system = field.createSystem(topology, nonbondedMethod=app.NoCutoff)
    engine = app.Simulation(
        topology, system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    engine.context.setPositions(turned(name) * unit.angstrom)
    engine.minimizeEnergy()
    positions = engine.context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.angstrom)
    return topology, positions - positions.mean(0)


if __name__ == "__main__":
    for given in sys.argv[1:]:
        chain, pos = extended(given)
        with (START / f"{given}-extended.pdb").open("w") as file:
            app.PDBFile.writeFile(chain, pos * unit.angstrom, file)

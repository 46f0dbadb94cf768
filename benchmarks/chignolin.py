"""How chignolin.pdb was made: a compact random fold of the sequence, relaxed by a force field.

Not the native fold: a compact chain has the density of a folded protein, and that is what the speed depends on.
"""

from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit
from rdkit import Chem, DistanceGeometry
from rdkit.Chem import rdDistGeom


SEQUENCE = "YYDPETGTWY"
DIAMETER = 18.0  # Å: largest distance between two atoms of the first, rough fold
STEPS = 1000  # of 2 fs, at 300 K in implicit solvent


def compact_chain() -> Chem.Mol:
    """Heavy atoms of the chain, embedded by distance geometry within the diameter."""
    molecule = Chem.AddHs(Chem.MolFromSequence(SEQUENCE))
    bounds = rdDistGeom.GetMoleculeBoundsMatrix(molecule)
    upper = np.triu_indices(len(bounds), 1)
    bounds[upper] = np.minimum(bounds[upper], DIAMETER)
    DistanceGeometry.DoTriangleSmoothing(bounds)
    settings = rdDistGeom.ETKDGv3()
    settings.randomSeed, settings.useRandomCoords = 1, True
    settings.SetBoundsMat(bounds)
    rdDistGeom.EmbedMolecule(molecule, settings)
    return Chem.RemoveHs(molecule)


def write(path: Path) -> None:
    """Add hydrogens at pH 7, minimise, run the dynamics, and write a PDB file."""
    Chem.MolToPDBFile(compact_chain(), str(path))
    chain = app.PDBFile(str(path))
    field = app.ForceField("amber99sbildn.xml", "amber99_obc.xml")
    model = app.Modeller(chain.topology, chain.positions)
    model.addHydrogens(field, pH=7.0)
    system = field.createSystem(model.topology, nonbondedMethod=app.NoCutoff, constraints=app.HBonds)
    integrator = openmm.LangevinMiddleIntegrator(300, 5, 2 * unit.femtoseconds)
    integrator.setRandomNumberSeed(1)
    engine = app.Simulation(
        model.topology, system, integrator, openmm.Platform.getPlatformByName("CPU"), {"Threads": "1"}
    )
    engine.context.setPositions(model.positions)
    engine.minimizeEnergy(maxIterations=500)
    engine.step(STEPS)
    positions = engine.context.getState(getPositions=True).getPositions()
    with path.open("w") as file:
        app.PDBFile.writeFile(model.topology, positions, file)


if __name__ == "__main__":  # seconds; hydrogens are placed at random, so that the file is committed
    write(Path(__file__).with_name("chignolin.pdb"))

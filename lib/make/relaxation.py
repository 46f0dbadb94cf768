"""Side chains and hydrogens on a backbone, and its relaxation: PDBFixer and OpenMM (AMBER ff99SB-ILDN with OBC)."""

import io
import random

import numpy as np
import openmm
import pdbfixer
from openmm import app, unit


RESTRAINT = 2000.0  # kJ/mol/nm² on each CA while side chains find their place
SHAKE_PS, TEMPERATURE_K = 0.1, 300.0  # of the dynamics between two minimisations
CUTOFF_NM = 1.2  # of the non-bonded forces: three times faster than none, for a minimum of the same shape
WORST_FORCE = 5000.0  # kJ/mol/nm: more on any atom means that something is still on top of something


def beta_carbons(backbone: np.ndarray) -> np.ndarray:
    """(residue, 3) Å of the CB of left-handed amino acids on a backbone (residue, 4, 3) of N, CA, C, O."""
    n, ca, c = backbone[:, 0], backbone[:, 1], backbone[:, 2]
    before, after = ca - n, c - ca
    # Of ideal bonds and angles; the normal's sign is the handedness.
    return ca - 0.58273431 * np.cross(before, after) + 0.56802827 * before - 0.54067466 * after


def left_handed(n: np.ndarray, ca: np.ndarray, c: np.ndarray, cb: np.ndarray) -> np.ndarray:
    """(residue,) whether amino acids with these atoms (residue, 3) are those of life; False where an atom is NaN."""
    return np.einsum("ij,ij->i", np.cross(n - ca, c - ca), cb - ca) > 0


def pdb_text(sequence: list[str], backbone: np.ndarray) -> str:
    """A PDB file of N, CA, C, O (residue, 4, 3) Å of these residues, and of the CB that decides their handedness.

    PDBFixer, left to place the CB itself, makes a third of the residues right-handed.
    """
    line = "ATOM  {:5d}  {:<3s} {:3s} A{:4d}    {:8.3f}{:8.3f}{:8.3f}  1.00  0.00           {:1s}"
    rows = [
        (name, kind, i + 1, *place)
        for i, (kind, own, cb) in enumerate(zip(sequence, backbone, beta_carbons(backbone)))
        for name, place in zip(("N", "CA", "C", "O", "CB"), (*own, cb))
        if name != "CB" or kind != "GLY"
    ]
    return "\n".join([*(line.format(i, *row, row[0][0]) for i, row in enumerate(rows, 1)), "TER", "END", ""])


def complete(sequence: list[str], backbone: np.ndarray, seed: int) -> tuple[app.Topology, list]:
    """All atoms of a backbone (residue, 4, 3) Å: PDBFixer's side chains, then hydrogens at pH 7."""
    fixer = pdbfixer.PDBFixer(pdbfile=io.StringIO(pdb_text(sequence, backbone)), platform=cpu())
    fixer.missingResidues = {}
    fixer.findMissingAtoms()
    fixer.addMissingAtoms(seed)
    random.seed(seed)  # Modeller draws the first place of each hydrogen
    fixer.addMissingHydrogens(7.0)
    return fixer.topology, fixer.positions


def cpu() -> openmm.Platform:
    """The CPU platform with one thread, whose results repeat on one machine."""
    platform = openmm.Platform.getPlatformByName("CPU")
    platform.setPropertyDefaultValue("Threads", "1")
    return platform


def relax(sequence: list[str], backbone: np.ndarray, seed: int) -> tuple[app.Topology, np.ndarray] | None:
    """Topology and relaxed positions (atom, 3) Å, or None where a clash stays or an amino acid was turned inside out.

    Minimised with the CA held, shaken by dynamics for 0.1 ps at 300 K, then minimised again with the CA held loosely.
    """
    topology, positions = complete(sequence, backbone, seed)
    field = app.ForceField("amber99sbildn.xml", "amber99_obc.xml")
    system = field.createSystem(
        topology, nonbondedMethod=app.CutoffNonPeriodic, nonbondedCutoff=CUTOFF_NM, constraints=app.HBonds
    )
    hold = openmm.CustomExternalForce("hold * ((x - x0)^2 + (y - y0)^2 + (z - z0)^2)")
    hold.addGlobalParameter("hold", RESTRAINT)
    for axis in ("x0", "y0", "z0"):
        hold.addPerParticleParameter(axis)
    for atom in topology.atoms():
        if atom.name == "CA":
            hold.addParticle(atom.index, positions[atom.index].value_in_unit(unit.nanometer))
    system.addForce(hold)
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE_K, 5.0, 0.002)
    integrator.setRandomNumberSeed(seed)
    engine = app.Simulation(topology, system, integrator, cpu())
    engine.context.setPositions(positions)
    engine.minimizeEnergy(maxIterations=70)
    engine.context.setParameter("hold", RESTRAINT / 10)
    engine.context.setVelocitiesToTemperature(TEMPERATURE_K, seed)
    try:
        engine.step(round(SHAKE_PS / 0.002))
    except openmm.OpenMMException:  # NaN: the backbone runs through itself
        return None
    engine.minimizeEnergy(maxIterations=40)
    state = engine.context.getState(getPositions=True, getForces=True)
    force = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
    if not np.linalg.norm(force, axis=1).max() < WORST_FORCE:
        return None
    relaxed = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom).astype(np.float32)
    return (topology, relaxed) if all_left_handed(topology, relaxed) else None


def all_left_handed(topology: app.Topology, positions: np.ndarray) -> bool:
    """Whether every residue that has a CB is left-handed."""
    at = [{atom.name: positions[atom.index] for atom in residue.atoms()} for residue in topology.residues()]
    chiral = [atoms for atoms in at if "CB" in atoms]
    if not chiral:  # glycine alone
        return True
    return bool(left_handed(*(np.stack([a[name] for a in chiral]) for name in ("N", "CA", "C", "CB"))).all())

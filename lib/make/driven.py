"""Hot xTB dynamics in which a torsion is turned or a bond is stretched until it is let go: energies and forces."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.geometry import get_dihedrals, get_dihedrals_derivatives, get_distances_derivatives
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta
from rdkit import Chem

from lib.data.molecules import SPLITS, MoleculeSet
from lib.make.xtb import BOLTZMANN, Xtb, embed, numbers


@dataclass(frozen=True)
class Molecule:
    """One of the four. torsion, bond: SMARTS of the four and of the two atoms that are driven; first match."""

    isomer: str
    smiles: str
    torsion: str
    bond: str


MOLECULES = {  # xxMD's four; which dithiophene it has we have not read
    "azobenzene": Molecule("trans-azobenzene", "c1ccc(/N=N/c2ccccc2)cc1", "cN=Nc", "cN"),
    "dithiophene": Molecule("2,2'-bithiophene", "c1csc(-c2cccs2)c1", "sc-cs", "cs"),
    "malonaldehyde": Molecule("enol of malonaldehyde", "O=C/C=C\\O", "CC=CO", "[OX2]-[H]"),
    "stilbene": Molecule("trans-stilbene", "C(=C/c1ccccc1)\\c1ccccc1", "cC=Cc", "C=C"),
}
METHOD = "GFN2"
STIFFNESS = {4: 15.0, 2: 80.0}  # eV/rad² of a torsion, eV/Å² of a bond: above those of the molecules
FRICTION_PER_FS = 0.01
ROOM_K = 300.0
TWISTED_DEG = 60.0, 120.0
STRETCHED_A = 0.3


@dataclass(frozen=True)
class Plan:
    """Settings of the trajectories of one molecule, half of which drive its torsion, half its bond."""

    photon_eV: float  # given to the molecule as heat
    turn_deg: float  # by which the torsion is turned, and
    stretch_A: float  # the bond stretched, at the most; half of it at the least
    frames: int
    frame_fs: float
    step_fs: float


class Driven(Calculator):
    """GFN2-xTB with a harmonic restraint that moves; a distance for two atoms, a torsion for four."""

    implemented_properties = ("energy", "forces")

    def __init__(self, z: np.ndarray, pos: np.ndarray, atoms: tuple[int, ...]):
        super().__init__()
        self.xtb, self.driven = Xtb(METHOD, z, pos), list(atoms)
        self.goal = None  # Å or rad; None lets go
        self.last = None, None  # positions, and what xTB gave for them

    def calculate(self, atoms=None, properties=("energy", "forces"), system_changes=all_changes):
        """Energy (eV) and forces (eV/Å) with those of the restraint."""
        super().calculate(atoms, properties, system_changes)
        if self.last[0] is None or not np.array_equal(self.last[0], self.atoms.positions):
            self.last = self.atoms.positions.copy(), self.xtb(self.atoms.positions)
        energy, forces = self.last[1][0], self.last[1][1].copy()
        if self.goal is not None:
            value, slope = coordinate(self.atoms.positions[self.driven])
            off = value - self.goal
            if len(self.driven) == 4:
                off = np.angle(np.exp(1j * off))  # the short way round
            stiffness = STIFFNESS[len(self.driven)]
            energy += 0.5 * stiffness * off**2
            forces[self.driven] -= stiffness * off * slope
        self.results = {"energy": energy, "forces": forces}


def coordinate(pos: np.ndarray) -> tuple[float, np.ndarray]:
    """Distance (Å) of two positions or torsion (rad) of four, (2 or 4, 3) Å, and its derivative by each of them."""
    steps = np.diff(pos, axis=0)[:, None]
    if len(pos) == 2:
        return float(np.linalg.norm(steps[0])), get_distances_derivatives(steps[0])[0]
    return float(np.radians(get_dihedrals(*steps)[0])), np.radians(get_dihedrals_derivatives(*steps)[0])


def places(key: str, driven: int) -> tuple[int, ...]:
    """The atoms of a molecule's torsion (driven: 4) or bond (2) in the order of its positions."""
    molecule = MOLECULES[key]
    pattern = Chem.MolFromSmarts(molecule.torsion if driven == 4 else molecule.bond)
    return Chem.AddHs(Chem.MolFromSmiles(molecule.smiles)).GetSubstructMatch(pattern)


def heat(plan: Plan, n_atoms: int) -> float:
    """K of a molecule at 300 K whose 3n - 6 vibrations, classical and harmonic, have shared the photon's energy."""
    return ROOM_K + plan.photon_eV / ((3 * n_atoms - 6) * BOLTZMANN)


def started(key: str, driven: int, plan: Plan, random: np.random.Generator, friction: float) -> tuple[Atoms, Langevin]:
    """A molecule with thermal velocities, and its integrator."""
    molecule = embed(MOLECULES[key].smiles, int(random.integers(2**31)))
    z, pos = numbers(molecule), molecule.GetConformer().GetPositions()
    atoms = Atoms(z, pos, calculator=Driven(z, pos, places(key, driven)))
    temperature = heat(plan, len(z))
    thermalize_momenta(atoms, temperature, rng=random)
    return atoms, Langevin(
        atoms,
        plan.step_fs * units.fs,
        temperature_K=temperature,
        friction=friction / units.fs,
        rng=random,
        fixcm=False,  # not exact for few atoms; the molecule may drift
    )


def drive(key: str, driven: int, seed: int, plan: Plan, friction: float = FRICTION_PER_FS) -> Iterator[dict]:
    """The frames of one trajectory, by time: {smiles, z, pos, molecule, atom}, labelled without the restraint.

    The restraint goes 50 to 100 % of the way within 30 to 100 % of the trajectory, as drawn, and is then taken away:
    some molecules are let go behind the barrier and some on top of it, at different times. RuntimeError where SCF does
    not converge.
    """
    random = np.random.default_rng(seed)
    atoms, engine = started(key, driven, plan, random, friction)
    begin = coordinate(atoms.positions[list(places(key, driven))])[0]
    way = np.radians(plan.turn_deg) * random.choice([-1, 1]) if driven == 4 else plan.stretch_A
    way *= random.uniform(0.5, 1.0)
    release = random.uniform(0.3, 1.0)
    per_frame = round(plan.frame_fs / plan.step_fs)
    for frame in range(plan.frames):
        for step in range(per_frame):
            done = (frame * per_frame + step) / (plan.frames * per_frame)
            atoms.calc.goal = begin + way * done / release if done < release else None
            atoms.calc.reset()  # the restraint moved
            engine.run(1)
        yield labelled(MOLECULES[key].smiles, atoms.numbers.astype(np.uint8), atoms.positions)


def labelled(smiles: str, z: np.ndarray, pos: np.ndarray) -> dict:
    """A record of one geometry; its labels depend on nothing that came before, as those of a warm start may."""
    pos = pos.astype(np.float32).astype(float)  # as it is stored
    energy, forces = Xtb(METHOD, z, pos)(pos)
    return {"smiles": smiles, "z": z, "pos": pos, "molecule": {"energy_eV": energy}, "atom": {"forces_eV_A": forces}}


def trajectory(key: str, number: int, seed: int, plan: Plan) -> list[dict]:
    """Trajectory `number` of a molecule: even ones turn its torsion, odd ones stretch its bond.

    One whose SCF fails is begun again with another seed; raises RuntimeError after five.
    """
    driven = 2 if number % 2 else 4
    for attempt in range(5):
        try:
            return list(drive(key, driven, seed + 1000 * number + attempt, plan))
        except RuntimeError as error:
            failed = error
    raise RuntimeError(f"{MOLECULES[key].isomer}, trajectory {number}: SCF failed in five attempts: {failed}")


def reached(molecules: MoleculeSet, key: str, frames: int) -> pd.DataFrame:
    """One row a geometry: where it lies along the molecule's torsion and bond, and whether it is twisted or stretched.

    twisted: a torsion within TWISTED_DEG. stretched: a bond STRETCHED_A longer than in the first frames.
    """
    pos = molecules.pos.reshape(len(molecules), -1, 3).astype(float)
    torsion = np.degrees([coordinate(own[list(places(key, 4))])[0] for own in pos])
    torsion = np.abs((torsion + 180) % 360 - 180)
    bond = np.array([coordinate(own[list(places(key, 2))])[0] for own in pos])
    energy = molecules.molecule["energy_eV"]
    return pd.DataFrame(
        {
            "molecule": key,
            "split": np.array(SPLITS)[molecules.split],
            "trajectory": np.arange(len(molecules)) // frames,
            "frame": np.arange(len(molecules)) % frames,
            "torsion_deg": torsion,
            "bond_A": bond,
            "energy_eV": energy - energy.min(),
            "twisted": (torsion > TWISTED_DEG[0]) & (torsion < TWISTED_DEG[1]),
            "stretched": bond > np.median(bond[::frames]) + STRETCHED_A,
        }
    )

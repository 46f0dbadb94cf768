"""Geometries and labels from GFN-xTB (tblite): relaxed molecules, and conformers away from equilibrium."""

import numpy as np
from ase.data import atomic_masses
from rdkit import Chem
from rdkit.Chem import AllChem, rdDetermineBonds
from scipy.optimize import minimize
from tblite.interface import Calculator
from threadpoolctl import ThreadpoolController


HARTREE = 27.211386245988  # eV
BOHR = 0.529177210903  # Å
HARTREE_PER_BOHR = HARTREE / BOHR  # eV/Å
DEBYE = 2.541746473  # D of one e a0
BOLTZMANN = 8.617333262e-5  # eV/K
ACCURACY_EV_A = 0.05  # largest force component of a relaxed geometry
THREADS = ThreadpoolController()  # of tblite: made once, because looking for them takes as long as a small molecule


class Xtb:
    """One molecule in one method; keeps the wavefunction, so that a nearby geometry converges in a few cycles."""

    def __init__(self, method: str, z: np.ndarray, pos: np.ndarray):
        self.calculator = Calculator(f"{method}-xTB", z.astype(int), pos / BOHR)
        self.calculator.set("verbosity", 0)
        self.result = None

    def __call__(self, pos: np.ndarray) -> tuple[float, np.ndarray]:
        """Energy (eV) and forces (atom, 3) eV/Å at `pos` (atom, 3) Å; RuntimeError when SCF does not converge.

        On one thread, which is as fast: two sum in another order each time, and a molecule differs from run to run.
        """
        self.calculator.update(positions=pos / BOHR)
        with THREADS.limit(limits=1):
            self.result = self.calculator.singlepoint(self.result) if self.result else self.calculator.singlepoint()
        return (
            float(self.result["energy"]) * HARTREE,
            -np.asarray(self.result["gradient"]) * HARTREE_PER_BOHR,
        )

    def frontier(self) -> tuple[float, float]:
        """HOMO and LUMO (eV) of the last geometry."""
        energies, filled = self.result["orbital-energies"], self.result["orbital-occupations"] > 1
        return float(energies[filled].max()) * HARTREE, float(energies[~filled].min()) * HARTREE

    def dipole(self) -> float:
        """Dipole moment (D) of the last geometry."""
        return float(np.linalg.norm(self.result["dipole"])) * DEBYE


def embed(smiles: str, seed: int) -> Chem.Mol | None:
    """A molecule with hydrogens and one ETKDG conformer, relaxed with MMFF; None where RDKit finds none."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    parameters = AllChem.ETKDGv3()
    parameters.randomSeed = seed
    if AllChem.EmbedMolecule(mol, parameters) != 0 or not AllChem.MMFFHasAllMoleculeParams(mol):
        return None
    AllChem.MMFFOptimizeMolecule(mol, maxIters=500)
    return mol


def same_bonds(mol: Chem.Mol, pos: np.ndarray) -> bool:
    """Does a geometry (atom, 3) Å still have exactly the bonds of its molecule?"""
    bare = Chem.RWMol(Chem.Mol(mol))
    for bond in list(bare.GetBonds()):
        bare.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
    bare.GetConformer().SetPositions(np.ascontiguousarray(pos, np.float64))
    rdDetermineBonds.DetermineConnectivity(bare, useVdw=True)
    pairs = lambda m: {frozenset((b.GetBeginAtomIdx(), b.GetEndAtomIdx())) for b in m.GetBonds()}  # noqa: E731
    return pairs(bare) == pairs(mol)


def numbers(mol: Chem.Mol) -> np.ndarray:
    """(atom,) uint8 atomic numbers."""
    return np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()], np.uint8)


def characterise(smiles: str, seed: int) -> dict | None:
    """Geometry at the nearest GFN2-xTB minimum with the targets of QM9 that a single point gives.

    Energy, HOMO, LUMO, gap and dipole; None where RDKit finds no conformer, xTB does not converge, or bonds change.
    """
    mol = embed(smiles, seed)
    if mol is None:
        return None
    z, start = numbers(mol), mol.GetConformer().GetPositions()
    xtb = Xtb("GFN2", z, start)

    def energy_and_slope(flat):
        energy, forces = xtb(flat.reshape(-1, 3))
        return energy, -forces.ravel()

    try:
        found = minimize(
            energy_and_slope,
            start.ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"gtol": ACCURACY_EV_A, "maxiter": 300},
        )
        pos = found.x.reshape(-1, 3)
        energy, forces = xtb(pos)
    except RuntimeError:  # SCF did not converge
        return None
    if np.abs(forces).max() > 2 * ACCURACY_EV_A or not same_bonds(mol, pos):
        return None
    homo, lumo = xtb.frontier()
    labels = {"energy_eV": energy, "homo_eV": homo, "lumo_eV": lumo, "gap_eV": lumo - homo, "mu_D": xtb.dipole()}
    return {"smiles": smiles, "z": z, "pos": pos, "molecule": labels, "atom": {}}


def relax(smiles: str, seed: int) -> dict | None:
    """The same with energy and gap alone."""
    if (record := characterise(smiles, seed)) is None:
        return None
    return record | {"molecule": {name: record["molecule"][name] for name in ("energy_eV", "gap_eV")}}


ROTATABLE = Chem.MolFromSmarts("[!$(*#*)&!D1]-&!@[!$(*#*)&!D1]")
SOFTEST_CM = (
    400.0  # wavenumber below which a normal mode is treated as this stiff: softer ones are torsions, sampled as such
)
COLLISION_EV_A = 20.0  # a force component beyond this means overlapping atoms, not a conformer
MODE_EV_A2_AMU = (2 * np.pi * 2.99792458e10 * SOFTEST_CM) ** 2 * 1.0364269e-28  # its force constant, eV/Å²/amu


def turn_torsions(mol: Chem.Mol, width_deg: float, random: np.random.Generator) -> None:
    """Turn every rotatable bond by a normally distributed angle, in place."""
    conformer = mol.GetConformer()
    for j, k in mol.GetSubstructMatches(ROTATABLE):
        i = next(a.GetIdx() for a in mol.GetAtomWithIdx(j).GetNeighbors() if a.GetIdx() != k)
        m = next(a.GetIdx() for a in mol.GetAtomWithIdx(k).GetNeighbors() if a.GetIdx() != j)
        angle = Chem.rdMolTransforms.GetDihedralDeg(conformer, i, j, k, m)
        Chem.rdMolTransforms.SetDihedralDeg(conformer, i, j, k, m, angle + random.normal(0, width_deg))


def normal_modes(mol: Chem.Mol) -> tuple[np.ndarray, np.ndarray]:
    """MMFF force constants (mode,) eV/Å²/amu and mass-weighted displacements (mode, atom, 3), rigid motion excluded."""
    field = AllChem.MMFFGetMoleculeForceField(mol, AllChem.MMFFGetMoleculeProperties(mol))
    at, n, h = mol.GetConformer().GetPositions().ravel(), mol.GetNumAtoms(), 1e-3
    slopes = np.array([field.CalcGrad(list(at + h * unit)) for unit in np.eye(3 * n)])
    slopes -= np.array([field.CalcGrad(list(at - h * unit)) for unit in np.eye(3 * n)])
    hessian = (slopes + slopes.T) / (4 * h) * 0.0433641  # kcal/mol/Å² to eV/Å²
    weight = 1 / np.sqrt(np.repeat(atomic_masses[numbers(mol)], 3))
    stiffness, modes = np.linalg.eigh(hessian * weight[:, None] * weight)
    rigid = np.argsort(np.abs(stiffness))[:6]
    keep = np.setdiff1d(np.arange(3 * n), rigid)
    return np.maximum(stiffness[keep], MODE_EV_A2_AMU), (modes[:, keep] * weight[:, None]).T.reshape(-1, n, 3)


def disturbed(base: Chem.Mol, temperature_K: float, random: np.random.Generator) -> dict | None:
    """One conformer away from equilibrium with GFN1-xTB labels, or None where atoms collide or SCF fails.

    Torsions are turned, the stiff degrees relaxed with MMFF for a few steps, then displaced thermally
    (classical, harmonic) along the MMFF normal modes.
    """
    mol = Chem.Mol(base)
    turn_torsions(mol, 60.0, random)
    AllChem.MMFFOptimizeMolecule(mol, maxIters=25)  # unclashed, yet still on its way down
    stiffness, modes = normal_modes(mol)
    amplitude = random.standard_normal(len(stiffness)) * np.sqrt(BOLTZMANN * temperature_K / stiffness)
    pos = mol.GetConformer().GetPositions() + np.einsum("m,mnx->nx", amplitude, modes)
    if not same_bonds(mol, pos):
        return None
    try:
        energy, forces = Xtb("GFN1", numbers(mol), pos)(pos)
    except RuntimeError:  # SCF did not converge
        return None
    if np.abs(forces).max() > COLLISION_EV_A:
        return None
    labels = {"energy_eV": energy, "temperature_K": temperature_K}
    return {"z": numbers(mol), "pos": pos, "molecule": labels, "atom": {"forces_eV_A": forces}}


def disturb(smiles: str, seed: int, n_conformers: int, temperature_K: tuple[float, float]) -> list[dict]:
    """Up to `n_conformers` disturbed conformers, at temperatures drawn uniformly from `temperature_K`."""
    random = np.random.default_rng(seed)
    base = embed(smiles, seed)
    kept = []
    for _ in range(2 * n_conformers if base is not None else 0):
        conformer = disturbed(base, random.uniform(*temperature_K), random)
        if conformer is not None:
            kept.append(conformer | {"smiles": smiles})
        if len(kept) == n_conformers:
            break
    return kept

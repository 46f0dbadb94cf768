"""Single points by Hartree-Fock and Kohn-Sham theory with PySCF: restricted, density fitting, one thread."""

import numpy as np
from pyscf import dft, gto, lib, scf

from lib.make.xtb import DEBYE, HARTREE


ACCURACY = 1e-7  # hartree, change of the energy in the last cycle
TARGETS = ("energy_eV", "homo_eV", "lumo_eV", "gap_eV", "mu_D")


def single_points(z: np.ndarray, pos: np.ndarray, levels: list[str], grid: int) -> dict[str, np.ndarray]:
    """TARGETS, each (level,), of one geometry; NaN for a level whose SCF does not converge.

    z: (atom,) of a closed shell. pos: (atom, 3) Å. levels: "functional/basis" by PySCF's names, as "B3LYP/6-31G*"; HF
    for the functional is Hartree-Fock. grid: number of one of PySCF's quadratures, 0 to 9. A level starts from the
    orbitals of the one before where the basis is the same.
    Raises ValueError for a level of another form.
    """
    lib.num_threads(1)
    rows, before = [], {}
    for level in levels:
        functional, slash, basis = level.partition("/")
        if not (functional and slash and basis):
            raise ValueError(f"level of theory is {level!r}, expected <functional>/<basis>, such as B3LYP/6-31G*")
        atoms = [(int(number), tuple(place)) for number, place in zip(z, np.asarray(pos, float))]
        molecule = gto.M(atom=atoms, basis=basis, verbose=0)
        field = scf.RHF(molecule) if functional == "HF" else dft.RKS(molecule, xc=functional)
        field = field.density_fit()
        field.conv_tol = ACCURACY
        if functional != "HF":
            field.grids.level = grid
        energy = field.kernel(before.get(basis))
        if not field.converged:
            rows.append([np.nan] * len(TARGETS))
            continue
        before[basis] = field.make_rdm1()
        homo, lumo = field.mo_energy[field.mo_occ > 0].max(), field.mo_energy[field.mo_occ == 0].min()
        dipole = np.linalg.norm(field.dip_moment(unit="AU", verbose=0)) * DEBYE
        rows.append([energy * HARTREE, homo * HARTREE, lumo * HARTREE, (lumo - homo) * HARTREE, dipole])
    return dict(zip(TARGETS, np.array(rows).T))


def label(smiles: str, z: np.ndarray, pos: np.ndarray, levels: list[str], grid: int) -> dict | None:
    """A record of one geometry: targets are scalars for one level, else (level,). None where the only level fails."""
    found = single_points(z, pos, levels, grid)
    if len(levels) == 1:
        found = {name: values[0] for name, values in found.items()}
        if np.isnan(found["gap_eV"]):
            return None
    return {"smiles": smiles, "z": z, "pos": pos, "molecule": found, "atom": {}}

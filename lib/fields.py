"""Unit of every stored target, declared once, and the check against the most likely silent error: nm for Å."""

import itertools

import numpy as np
from scipy.spatial import cKDTree


UNITS = {
    "energy_eV": "eV",  # total electronic energy of the level of theory that the set's card names
    "gap_eV": "eV",  # LUMO - HOMO
    "forces_eV_A": "eV/Å",  # -dE/dpos
    "temperature_K": "K",  # of the distribution that a conformer was drawn from
    # QM9, B3LYP/6-31G(2df,p)
    "mu_D": "D",  # dipole moment
    "alpha_a03": "a0³",  # isotropic polarisability
    "homo_eV": "eV",
    "lumo_eV": "eV",
    "r2_a02": "a0²",  # electronic spatial extent
    "zpve_eV": "eV",  # zero-point vibrational energy
    "u0_eV": "eV",  # internal energy at 0 K, total
    "u_eV": "eV",  # internal energy at 298.15 K, total
    "h_eV": "eV",  # enthalpy at 298.15 K, total
    "g_eV": "eV",  # free energy at 298.15 K, total
    "cv_cal_mol_K": "cal/(mol K)",  # heat capacity at 298.15 K
    # OrbNet Denali
    "xtb1_energy_eV": "eV",  # total GFN1-xTB energy, of valence electrons
    "charge_e": "e",
    # QM7
    "atomization_eV": "eV",  # energy of the molecule less that of its free atoms
    "atomization_dftb3_eV": "eV",  # the same by DFTB3
}


def check_angstrom(pos: np.ndarray, offsets: np.ndarray, source: str) -> None:
    """Raise ValueError unless the median nearest-neighbour distance is that of molecules in Å.

    pos: (atom, 3); offsets: (molecule + 1,). Bonded atoms lie 0.9 to 1.6 Å apart; heavy-atom or C-alpha
    selections up to 4 Å. In nm the same distances are ten times smaller.
    """
    if not np.isfinite(pos).all():
        raise ValueError(f"{source}: coordinates hold NaN or infinity, expected finite positions in Å")
    nearest = []
    for start, stop in itertools.pairwise(offsets):
        if stop - start > 1:
            nearest.append(cKDTree(pos[start:stop]).query(pos[start:stop], k=2)[0][:, 1])
    median = float(np.median(np.concatenate(nearest))) if nearest else 1.0
    if not 0.7 < median < 5:
        raise ValueError(
            f"{source}: the median distance between nearest atoms is {median:.3f}, expected 0.7 to 5 Å; "
            f"{'these look like nm' if median < 0.7 else 'check the unit'}"
        )

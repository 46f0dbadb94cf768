"""What the elements of a molecule alone say of a property: the part to subtract from energies, and a baseline."""

import numpy as np


CONSTANT = 0  # stands for one per molecule, where an atomic number stands for one per atom
PLACES = {"zpve_eV": 6, "u0_eV": 7, "u_eV": 8, "h_eV": 9, "g_eV": 10, "cv_cal_mol_K": 11}  # among PyG's targets of QM9


def counts(z: np.ndarray, offsets: np.ndarray, elements: list[int]) -> np.ndarray:
    """(n, len(elements)) atoms of each element in each molecule, 1 for CONSTANT; z: (N,), offsets: (n + 1,)."""
    ones = np.ones(len(offsets) - 1)
    atoms = lambda e: np.add.reduceat((np.asarray(z) == e).astype(float), np.asarray(offsets)[:-1])  # noqa: E731
    return np.stack([ones if e == CONSTANT else atoms(e) for e in elements], 1)


def atomref(target: str) -> dict[int, float]:
    """{atomic number: share of the free atom} of a target of QM9, in its unit; zeros where it has none."""
    from torch_geometric.datasets.qm9 import atomrefs  # the values that came with the set, in eV

    return dict(zip((1, 6, 7, 8, 9), atomrefs.get(PLACES.get(target), [0.0] * 5)))


def fit(z: np.ndarray, offsets: np.ndarray, values: np.ndarray) -> dict[int, float]:
    """{atomic number: share, CONSTANT: constant} of the linear function of the composition that is nearest to (n,)."""
    elements = [CONSTANT, *np.unique(z).tolist()]
    found = np.linalg.lstsq(counts(z, offsets, elements), np.asarray(values, float), rcond=None)[0]
    return dict(zip(elements, found.tolist()))


def of_atoms(z: np.ndarray, offsets: np.ndarray, shares: dict[int, float]) -> np.ndarray:
    """(n,) float64 sum of the shares of a molecule's atoms; ValueError for an element that has none."""
    if unknown := sorted(set(np.unique(z).tolist()) - set(shares)):
        raise ValueError(f"atomic numbers {unknown} have no share, which are known for {sorted(shares)}")
    return counts(z, offsets, list(shares)) @ np.array(list(shares.values()))

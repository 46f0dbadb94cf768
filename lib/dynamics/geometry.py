"""Features by hand, of residues: distances, contacts and torsions, (frame, d) float32 each."""

from collections.abc import Collection
from itertools import combinations

import mdtraj
import numpy as np

from lib.data.frames import ANGSTROM_PER_NM
from lib.data.torsions import backbone


CONTACT_A = 4.5  # closest heavy atoms of two residues in contact
SYMMETRIC = {("PHE", 2), ("TYR", 2), ("ASP", 2), ("GLU", 3)}  # chi after half a turn is the same structure
CHI = (mdtraj.compute_chi1, mdtraj.compute_chi2, mdtraj.compute_chi3, mdtraj.compute_chi4)


def torsion_features(frames: mdtraj.Trajectory) -> np.ndarray:
    """(frame, 4 residues) sines and cosines of the backbone phi and psi: what an expert would choose for ala2."""
    return _circle(np.concatenate(backbone(frames), axis=1))


def sidechain_features(frames: mdtraj.Trajectory) -> np.ndarray:
    """(frame, 2 torsions) sines and cosines of chi1 to chi4 of every residue.

    Of the double angle where half a turn gives the same structure with two atoms renamed (rings of Phe and Tyr,
    carboxylates): otherwise the slowest process may be a name. Raises ValueError for a molecule without side chains.
    """
    columns = []
    for number, compute in enumerate(CHI, 1):
        atoms, angles = compute(frames)
        residues = [frames.topology.atom(row[1]).residue.name for row in atoms]
        columns += [angle * (1 + ((name, number) in SYMMETRIC)) for name, angle in zip(residues, angles.T)]
    if not columns:
        raise ValueError(f"{frames.topology} has no side-chain torsion, expected at least one")
    return _circle(np.stack(columns, axis=1))


def ca_distances(frames: mdtraj.Trajectory) -> np.ndarray:
    """(frame, pair) Å between all C-alpha atoms (595 for villin); ValueError for fewer than two of them."""
    atoms = frames.topology.select("name CA")
    if len(atoms) < 2:
        raise ValueError(f"{frames.topology} has {len(atoms)} C-alpha atoms, expected at least 2")
    return mdtraj.compute_distances(frames, list(combinations(atoms, 2))) * ANGSTROM_PER_NM


def closest_distances(frames: mdtraj.Trajectory, apart: int = 3, ignore: Collection[int] = ()) -> np.ndarray:
    """(frame, pair) Å between the closest heavy atoms of residues at least `apart` places apart in the sequence.

    ignore: residues left out, numbered from 0, such as caps. Raises ValueError where no pair is left.
    """
    kept = [residue for residue in range(frames.n_residues) if residue not in ignore]
    pairs = [(i, j) for i, j in combinations(kept, 2) if j - i >= apart]
    if not pairs:
        raise ValueError(f"{frames.topology} has no two residues {apart} places apart, expected at least one pair")
    return mdtraj.compute_contacts(frames, pairs, "closest-heavy")[0].astype(np.float32) * ANGSTROM_PER_NM


def contacts(frames: mdtraj.Trajectory, apart: int = 3, ignore: Collection[int] = ()) -> np.ndarray:
    """(frame, pair) 1 where the closest heavy atoms of two residues are nearer than 4.5 Å, else 0."""
    return (closest_distances(frames, apart, ignore) < CONTACT_A).astype(np.float32)


def _circle(angles: np.ndarray) -> np.ndarray:
    """(frame, 2 d) float32 sines, then cosines, of angles (frame, d) in radians."""
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)

"""Conventional descriptors of a trajectory, in blocks: what learned features are compared with."""

from dataclasses import dataclass

import mdtraj
import numpy as np

from lib.data.frames import ANGSTROM_PER_NM, select
from lib.data.torsions import backbone
from lib.dynamics.features import pair_distances


CHAIN = ("N", "CA", "C", "CH3")  # heavy atoms along the backbone, those of caps included
CONTACT_NM, SOFTNESS_PER_NM, REACH, APART = 0.45, 50.0, 1.8, 3  # Best, Hummer & Eaton 2013, equation 1; residues apart
SAMPLE = 200  # frames among which the most typical one is looked for


@dataclass(frozen=True)
class Block:
    """One kind of descriptor.

    columns: (frame, k) float64 to be predicted; an angle is its sine and its cosine, so that -180° meets 180°.
    shown: (frame, m) the same in `unit`, for figures. cyclic: an angle.
    """

    columns: np.ndarray
    shown: np.ndarray
    unit: str
    cyclic: bool = False


def descriptors(frames: mdtraj.Trajectory, reference: mdtraj.Trajectory, pairs: str) -> dict[str, Block]:
    """Blocks phi, psi, chi, distances, end_to_end, rmsd, radius_of_gyration and native_contacts, in this order.

    frames: all atoms (nm, as mdtraj has them); lengths come out in Å. reference: one frame, for RMSD (heavy atoms,
    superposed) and contacts. pairs: atoms whose distances count, "heavy" or in mdtraj's words. A block that a molecule
    does not have (chi of alanine, contacts of three residues) is left out. Raises ValueError for a selection of fewer
    than two atoms or a reference with other atoms.
    """
    if reference.n_frames != 1 or reference.n_atoms != frames.n_atoms:
        raise ValueError(
            f"the reference has {reference.n_frames} frames of {reference.n_atoms} atoms, "
            f"expected 1 frame of {frames.n_atoms}"
        )
    phi, psi = backbone(frames)
    found = {"phi": angles(phi), "psi": angles(psi), "chi": angles(side_chains(frames))}
    chosen = select(frames.topology, pairs)
    if len(chosen) < 2:
        raise ValueError(f"the selection {pairs!r} has {len(chosen)} atoms, expected at least 2 for a distance")
    xyz = frames.xyz * ANGSTROM_PER_NM
    found["distances"] = lengths(pair_distances(xyz[:, chosen], np.full(len(chosen), 6)))
    chain = [a.index for a in frames.topology.atoms if a.name in CHAIN]
    if len(chain) > 1:
        found["end_to_end"] = lengths(np.linalg.norm(xyz[:, chain[-1]] - xyz[:, chain[0]], axis=-1)[:, None])
    heavy = select(frames.topology, "heavy")
    found["rmsd"] = lengths(mdtraj.rmsd(frames, reference, atom_indices=heavy)[:, None] * ANGSTROM_PER_NM)
    found["radius_of_gyration"] = lengths(gyration(frames)[:, None])
    contacts = native_contacts(frames, reference)
    if contacts is not None:
        found["native_contacts"] = Block(contacts[:, None], contacts[:, None], "")
    return {name: block for name, block in found.items() if block.columns.shape[1]}


def angles(radians: np.ndarray) -> Block:
    """Sines and cosines of angles (frame, n); shown in degrees."""
    radians = radians.astype(np.float64)
    return Block(np.concatenate([np.sin(radians), np.cos(radians)], 1), np.degrees(radians), "°", True)


def lengths(values: np.ndarray) -> Block:
    """Lengths (frame, n) in Å."""
    values = values.astype(np.float64)
    return Block(values, values, "Å")


def side_chains(frames: mdtraj.Trajectory) -> np.ndarray:
    """chi1 to chi4 (frame, n) in radians, of all residues that have them; n may be 0."""
    each = (mdtraj.compute_chi1, mdtraj.compute_chi2, mdtraj.compute_chi3, mdtraj.compute_chi4)
    return np.concatenate([chi(frames)[1].reshape(frames.n_frames, -1) for chi in each], axis=1)


def gyration(frames: mdtraj.Trajectory) -> np.ndarray:
    """Radius of gyration (frame,) in Å about the centre of mass; mdtraj's own is about the mean position."""
    xyz = frames.xyz.astype(np.float64) * ANGSTROM_PER_NM
    mass = np.array([atom.element.mass for atom in frames.topology.atoms])
    share = mass / mass.sum()
    centred = xyz - np.einsum("a,fac->fc", share, xyz)[:, None]
    return np.sqrt(np.einsum("a,fac->f", share, centred**2))


def native_contacts(frames: mdtraj.Trajectory, reference: mdtraj.Trajectory) -> np.ndarray | None:
    """Fraction Q (frame,) of the reference's contacts, counted softly; None where the reference has none.

    A contact is two heavy atoms within 4.5 Å in residues at least 3 apart (Best, Hummer & Eaton, PNAS 2013, take more
    than 3, which leaves small peptides without any). Q is the mean of 1 / (1 + exp(5/Å (r - 1.8 r0))).
    """
    heavy = reference.topology.select("element != H")
    residue = np.array([reference.topology.atom(i).residue.index for i in heavy])
    first, second = np.triu_indices(len(heavy), 1)
    far = residue[second] - residue[first] >= APART
    pairs = np.stack([heavy[first[far]], heavy[second[far]]], axis=1)
    if len(pairs) == 0:
        return None
    native = mdtraj.compute_distances(reference, pairs, periodic=False)[0]
    pairs, native = pairs[native < CONTACT_NM], native[native < CONTACT_NM]
    if len(pairs) == 0:
        return None
    now = mdtraj.compute_distances(frames, pairs, periodic=False).astype(np.float64)
    return (1 / (1 + np.exp(SOFTNESS_PER_NM * (now - REACH * native)))).mean(1)


def typical_frame(trajectories: list[mdtraj.Trajectory]) -> mdtraj.Trajectory:
    """The frame with the smallest mean RMSD of heavy atoms to the others, of some 200 evenly spaced ones.

    A reference for flexible molecules, which have no native structure.
    """
    total = sum(len(t) for t in trajectories)
    joined = mdtraj.join([t[:: max(1, total // SAMPLE)] for t in trajectories], check_topology=False)
    heavy = joined.topology.select("element != H")
    distance = [mdtraj.rmsd(joined, joined, i, atom_indices=heavy).mean() for i in range(len(joined))]
    return joined[int(np.argmin(distance))]


def most_mobile(blocks: list[Block]) -> np.ndarray:
    """(frame,) the column of `shown` that varies most over all trajectories, to colour a figure by.

    blocks: one kind of descriptor, one block a trajectory. Angles vary as their sines and cosines do.
    """
    shown = np.concatenate([b.shown for b in blocks])
    if not blocks[0].cyclic:
        return shown[:, shown.std(0).argmax()]
    means = np.concatenate([b.columns for b in blocks]).mean(0)
    half = len(means) // 2
    return shown[:, np.argmin(means[:half] ** 2 + means[half:] ** 2)]

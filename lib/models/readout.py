"""What is read off an encoder's atoms: invariants, and sums over residues, backbones and side chains, or the frame."""

import mdtraj
import numpy as np
import torch
from torch import Tensor


KINDS = ("atom", "backbone-sidechain", "residue", "frame")
BACKBONE = {"N", "CA", "C", "O", "OXT", "CH3"}  # CH3: the methyl of a cap stands where the next residue's CA would be


def invariants(scalars: Tensor, vectors: Tensor) -> Tensor:
    """[scalars | lengths of the vectors]: (..., H) and (..., 3, H) -> (..., 2 H), unchanged by a rotation."""
    return torch.cat([scalars, torch.linalg.vector_norm(vectors, dim=-2)], dim=-1)


def pool(features: Tensor, group: Tensor, frames: int = 1) -> Tensor:
    """Sum over the atoms of each group: (frame * atom, ...) -> (frame, group, ...).

    group: (atom,) long, the group of every atom of one frame, from 0. Raises ValueError where the lengths do not fit.
    """
    if len(features) != frames * len(group):
        raise ValueError(
            f"features of {len(features)} atoms, expected {frames} frames of {len(group)} atoms, one group for each"
        )
    groups = int(group.max()) + 1
    row = torch.arange(frames, device=group.device).repeat_interleave(len(group)) * groups + group.repeat(frames)
    pooled = features.new_zeros(frames * groups, *features.shape[1:]).index_add(0, row, features)
    return pooled.view(frames, groups, *features.shape[1:])


def groups(
    topology: mdtraj.Topology, kind: str, selection: np.ndarray | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Group of each atom (atom,) int64, from 0 and with no number left out, and the name of each group.

    kind: "atom", "residue", "frame" (all in one) or "backbone-sidechain": of each residue the backbone N, CA, C, O, and
    the rest; a hydrogen goes with the atom that it is bonded to; a cap is backbone, what is no amino acid one group.
    selection: (atom,) indices into the topology; all atoms by default. Raises ValueError for an unknown kind, no atoms
    and, where hydrogens have to be told apart, one without a bond.
    """
    if kind not in KINDS:
        raise ValueError(f"kind of group is {kind!r}, expected one of {', '.join(KINDS)}")
    chosen = range(topology.n_atoms) if selection is None else selection
    if len(chosen) == 0:
        raise ValueError("no atoms to group, expected at least one")
    labels = _labels(topology, kind)
    labels = [labels[i] for i in chosen]
    found = sorted(set(labels))
    number = {label: i for i, label in enumerate(found)}
    return np.array([number[label] for label in labels]), tuple(name for *_, name in found)


def _labels(topology: mdtraj.Topology, kind: str) -> list[tuple]:
    """One tuple an atom, which sorts the groups; the name comes last."""
    if kind == "atom":
        return [(atom.index, str(atom)) for atom in topology.atoms]
    if kind == "residue":
        return [(atom.residue.index, str(atom.residue)) for atom in topology.atoms]
    if kind == "frame":
        return [(0, "all atoms")] * topology.n_atoms
    labels, owner = [], _owners(topology)
    for atom in topology.atoms:
        residue, side, part = atom.residue, False, ""
        if residue.is_protein or {"N", "CA", "C"} <= {other.name for other in residue.atoms}:
            if owner[atom.index] is None:
                raise ValueError(f"hydrogen {atom} has no bond in the topology, expected one that places it")
            side = owner[atom.index].name not in BACKBONE
            part = " side chain" if side else " backbone"
        labels.append((residue.index, side, f"{residue}{part}"))
    return labels


def _owners(topology: mdtraj.Topology) -> list:
    """The heavy atom that each hydrogen is bonded to (None without a bond), every other atom itself."""
    owner = [None if atom.element.symbol == "H" else atom for atom in topology.atoms]
    for bond in topology.bonds:
        for atom, other in ((bond[0], bond[1]), (bond[1], bond[0])):
            if atom.element.symbol == "H" and other.element.symbol != "H":
                owner[atom.index] = other
    return owner

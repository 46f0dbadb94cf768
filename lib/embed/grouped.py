"""Read-outs of unlike grain from one pass of the encoder: atoms, parts of residues, residues, windows, frames."""

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import Tensor

from lib.data.trajectories import System
from lib.embed.tokens import ATOMS_PER_BATCH, embed_block
from lib.models.readout import KINDS, groups, invariants
from lib.threads import single_thread


def grouping(system: System, kind: str) -> np.ndarray:
    """(atom,) int64 group of each atom: a kind of `readout.groups`, or "window-n", n residues that follow each other.

    Raises ValueError for another kind.
    """
    head, _, size = kind.partition("-")
    if head == "window" and size.isdigit() and int(size) > 0:
        return system.residue // int(size)
    if kind not in KINDS:
        raise ValueError(f"kind of group is {kind!r}, expected one of {', '.join(KINDS)} or window-<residues>")
    return groups(system.topology, kind, system.selection)[0]


def grouped_invariants(
    encoder: torch.nn.Module, system: System, kinds: list[str], stride: int = 1, jobs: int = 1
) -> dict[str, list[np.ndarray]]:
    """kind -> of each trajectory (frame, 2 H groups) float32: scalars and vector lengths of sums over each group."""
    kinds = list(kinds)
    members = [grouping(system, kind) for kind in kinds]
    each = range(len(system.paths))
    found = Parallel(n_jobs=jobs)(delayed(_trajectory)(encoder, system, members, i, stride) for i in each)
    return {kind: [parts[k] for parts in found] for k, kind in enumerate(kinds)}


@single_thread()
def _trajectory(encoder, system: System, members: list[np.ndarray], trajectory: int, stride: int) -> list[np.ndarray]:
    """The invariants of one trajectory, one array for each grouping."""
    pos, z = system.positions(trajectory, stride), system.z
    rows = [torch.from_numpy(m) for m in members]

    def read(atoms: Tensor) -> Tensor:
        """(frame, atom, 4, H) -> (frame, sum of the widths of all groupings)."""
        sums = [atoms.new_zeros(len(atoms), int(r.max()) + 1, *atoms.shape[2:]).index_add(1, r, atoms) for r in rows]
        return torch.cat([invariants(s[:, :, 0], s[:, :, 1:]).flatten(1) for s in sums], dim=1)

    both = embed_block(encoder, z, pos, np.arange(len(z)), read, max(1, ATOMS_PER_BATCH // len(z))).numpy()
    groups_of = np.array([m.max() + 1 for m in members])
    edges = np.cumsum(groups_of * (both.shape[1] // groups_of.sum()))[:-1]
    return [np.ascontiguousarray(part) for part in np.split(both, edges, axis=1)]

"""Input that no molecule can have, refused in one sentence."""

import torch
from torch import Tensor

from lib.models.config import EMBEDDING_ROWS
from lib.models.graph import Graph


COINCIDENT = 1e-3  # Å
NEAREST = 0.5  # Å: the median distance to the nearest atom is 0.9 to 1.6 in molecules, ten times less in nm


def check_molecules(z: Tensor, pos: Tensor, batch: Tensor) -> None:
    """Raise ValueError unless z (atom,), pos (atom, 3) and batch (atom,) describe molecules, none of them empty."""
    if pos.dim() != 2 or pos.shape[1] != 3:
        raise ValueError(f"pos has shape {tuple(pos.shape)}, expected (atom, 3) in Å")
    if not len(z) == len(pos) == len(batch):
        raise ValueError(f"lengths differ: z {len(z)}, pos {len(pos)}, batch {len(batch)}; expected one row per atom")
    if len(z) == 0:
        raise ValueError("the molecule is empty: expected at least one atom")
    for name, field in (("z", z), ("batch", batch)):
        if field.dtype != torch.long:
            raise ValueError(f"{name} has dtype {field.dtype}, expected torch.int64")
    low, high = int(z.min()), int(z.max())
    if low < 1 or high >= EMBEDDING_ROWS:
        raise ValueError(
            f"unknown element {low if low < 1 else high}: expected atomic numbers 1 to {EMBEDDING_ROWS - 1}"
        )
    step = batch.diff()
    if int(batch[0]) != 0 or bool((step < 0).any()):
        raise ValueError("batch is not in ascending order from 0: expected the atoms of frame 0, then those of frame 1")
    if bool((step > 1).any()):
        empty = int(batch[:-1][step > 1][0]) + 1
        raise ValueError(f"molecule {empty} is empty: expected at least one atom for every index in batch")
    if not bool(torch.isfinite(pos).all()):
        atom = int((~torch.isfinite(pos).all(1)).nonzero()[0])
        raise ValueError(f"pos of atom {atom} is {pos[atom].tolist()}, expected finite coordinates in Å")


def check_geometry(graph: Graph) -> None:
    """Raise ValueError for coincident atoms or distances that look like nm."""
    if len(graph.distance) == 0:
        return
    distance = graph.distance.detach()
    closest = int(distance.argmin())
    nearest = distance.new_full((graph.atoms,), torch.inf)
    for end in (graph.first, graph.second):
        nearest = nearest.scatter_reduce(0, end, distance, "amin")
    median = float(nearest[nearest.isfinite()].median())
    if float(distance[closest]) < COINCIDENT:
        raise ValueError(
            f"atoms {int(graph.first[closest])} and {int(graph.second[closest])} are {float(distance[closest]):.1e} Å "
            f"apart, expected no two atoms of a molecule closer than {COINCIDENT:g} Å"
        )
    if median < NEAREST:
        raise ValueError(
            f"the median distance to the nearest atom is {median:.3f}, expected 0.7 to 5 Å; these look like nm"
        )

"""Who sees whom: atom pairs within the cutoff, found once per unordered pair."""

import importlib.util
import re
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


COMPILED = importlib.util.find_spec("numba") is not None
CANDIDATES = 4_000_000  # pairs looked at in one go: bounds the memory of the search to about 200 MB


@dataclass(frozen=True)
class Graph:
    """Atom pairs first < second within the cutoff; every atom also sees itself, at distance 0.

    first, second: (pair,) long; distance: (pair,) Å; unit: (pair, 3) from first to second.
    A truncating rule may break the symmetry: `forward` says that first sees second, `backward` that second sees
    first (pair,) bool, `loop` that an atom sees itself (atom,) bool; None means all of them.
    """

    first: Tensor
    second: Tensor
    distance: Tensor
    unit: Tensor
    atoms: int
    forward: Tensor | None = None
    backward: Tensor | None = None
    loop: Tensor | None = None

    def edges(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Directed form, sorted by centre and then neighbour.

        Returns centre (edge,), neighbour (edge,), pair (edge,) the row in [distance | 0] where a self loop points at
        the last, and unit (edge, 3) from centre to neighbour, 0 for a self loop.
        """
        pairs = len(self.first)
        atom = torch.arange(self.atoms, device=self.first.device)
        row = torch.arange(pairs, device=self.first.device)
        centre = torch.cat([self.first, self.second, atom])
        neighbour = torch.cat([self.second, self.first, atom])
        pair = torch.cat([row, row, torch.full_like(atom, pairs)])
        unit = torch.cat([self.unit, -self.unit, self.unit.new_zeros(self.atoms, 3)])
        order = torch.argsort(centre * self.atoms + neighbour)
        if self.forward is not None:
            order = order[torch.cat([self.forward, self.backward, self.loop])[order]]
        return centre[order], neighbour[order], pair[order], unit[order]

    def distances(self) -> Tensor:
        """[distance | 0]: (pair + 1,) Å, the last row being that of every self loop."""
        return torch.cat([self.distance, self.distance.new_zeros(1)])


def neighbours(pos: Tensor, batch: Tensor, cutoff: float, rule: str = "all", box: Tensor | None = None) -> Graph:
    """Find the pairs of atoms of one frame that are strictly closer than the cutoff.

    pos: (atom, 3) Å; batch: (atom,) long, ascending; box: (3,) or (frame, 3) Å edge lengths of a periodic
    rectangular cell, for minimum images. rule: "all"; "nearest-n", the n nearest; "index-n", the first n in
    ascending atom index. The atom itself counts as one of the n. Raises ValueError for an unknown rule or a box
    shorter than twice the cutoff.
    """
    kind, limit = parse_rule(rule)
    if box is not None and not float(box.min()) >= 2 * cutoff:  # so that NaN is refused too
        raise ValueError(f"box edge {float(box.min()):g} Å, expected at least twice the cutoff of {cutoff:g} Å")
    plain = pos.dtype == torch.float32 and pos.device.type == "cpu" and not pos.requires_grad
    if COMPILED and plain and box is None:
        from lib.models import search  # here, because numba takes a second to import

        found = search.pairs(pos.numpy(), batch.numpy(), np.float32(cutoff**2))
        graph = Graph(*map(torch.from_numpy, found), len(pos))
    else:
        with torch.no_grad():
            first, second = _candidates(pos, batch, cutoff, box)
        step = _displacement(pos, batch, first, second, box)
        distance = step.norm(dim=-1)
        graph = Graph(first, second, distance, step / distance.unsqueeze(-1), len(pos))
    return graph if kind == "all" else _truncate(graph, kind, limit)


def parse_rule(rule: str) -> tuple[str, int]:
    """Split "nearest-32" into ("nearest", 32); "all" has limit 0. Raises ValueError for anything else."""
    match = re.fullmatch(r"(nearest|index)-([1-9]\d*)", rule)
    if match is None and rule != "all":
        raise ValueError(f"neighbour rule {rule!r} is not all, nearest-<n> or index-<n>")
    return (match[1], int(match[2])) if match else ("all", 0)


def _displacement(pos: Tensor, batch: Tensor, first: Tensor, second: Tensor, box: Tensor | None) -> Tensor:
    step = pos.index_select(0, second) - pos.index_select(0, first)
    if box is None:
        return step
    edge = box.to(pos) if box.dim() == 1 else box.to(pos)[batch[first]]
    return step - edge * torch.round(step / edge)


def _candidates(pos: Tensor, batch: Tensor, cutoff: float, box: Tensor | None) -> tuple[Tensor, Tensor]:
    """Pairs first < second of one frame with r² < R², in ascending order, looked for in blocks of atoms."""
    counts = torch.unique_consecutive(batch, return_counts=True)[1]
    atom = torch.arange(len(pos), device=pos.device)
    later = torch.repeat_interleave(counts.cumsum(0), counts) - atom - 1  # atoms after this one in its frame
    sizes = torch.unique_consecutive(later.cumsum(0) // CANDIDATES, return_counts=True)[1].tolist()
    found = []
    for centre, repeats in zip(atom.split(sizes), later.split(sizes)):
        first = torch.repeat_interleave(centre, repeats)
        start = torch.repeat_interleave(centre + 1 - (repeats.cumsum(0) - repeats), repeats)
        second = start + torch.arange(len(first), device=pos.device)
        near = _displacement(pos, batch, first, second, box).square().sum(-1) < cutoff**2
        found.append((first[near], second[near]))
    return torch.cat([f for f, _ in found]), torch.cat([s for _, s in found])


def _truncate(graph: Graph, kind: str, limit: int) -> Graph:
    """Keep the first `limit` neighbours of every atom, by distance or by index, the atom itself included."""
    pairs, atoms = len(graph.first), graph.atoms
    atom = torch.arange(atoms, device=graph.first.device)
    centre = torch.cat([graph.first, graph.second, atom])
    order = torch.argsort(torch.cat([graph.second, graph.first, atom]), stable=True)
    if kind == "nearest":  # equal distances stay in order of the atom index
        distance = torch.cat([graph.distance, graph.distance, graph.distance.new_zeros(atoms)]).detach()
        order = order[torch.argsort(distance[order], stable=True)]
    order = order[torch.argsort(centre[order], stable=True)]
    degree = torch.bincount(centre, minlength=atoms)
    rank = torch.arange(len(order), device=order.device) - torch.repeat_interleave(degree.cumsum(0) - degree, degree)
    keep = torch.empty(len(order), dtype=torch.bool, device=order.device)
    keep[order] = rank < limit
    forward, backward, loop = keep.split([pairs, pairs, atoms])
    return Graph(graph.first, graph.second, graph.distance, graph.unit, atoms, forward, backward, loop)

"""ProNet (Wang et al., ICLR 2023, arXiv 2207.12600): message passing between residues with complete geometry.

The published layers and shapes. Not kept are known defects of the released code: sequence neighbours are taken within
a chain here, not modulo the batch; noise is drawn for each atom and torsions follow it; no batch is skipped.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lib.hosts import bases, geometry
from lib.hosts.adapter import Adapter
from lib.hosts.proteins import KINDS, Proteins
from lib.models.graph import neighbours


LEVELS = ("aminoacid", "backbone", "allatom")
CUTOFF, CLOSEST = 10.0, 32  # Å between CA atoms; neighbours kept of a residue, the nearest
RADIAL, POSITIONS, MIDDLE = 6, 16, 64  # Bessel functions, sequence features, width between a feature and a filter
CLIP = 4  # standard deviations at which the noise inside the network is cut off


class Filter(nn.Sequential):
    """Two linear maps without bias or activation, from a geometric feature to weights of messages."""

    def __init__(self, features: int, hidden: int):
        super().__init__(nn.Linear(features, MIDDLE, bias=False), nn.Linear(MIDDLE, hidden, bias=False))


class Convolution(nn.Module):
    """W_1 sum_j (filter_ij * x_j) + W_2 x_i."""

    def __init__(self, hidden: int):
        super().__init__()
        self.message, self.own = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden, bias=False)

    def forward(self, x: Tensor, weights: Tensor, centre: Tensor, neighbour: Tensor) -> Tensor:
        gathered = torch.zeros_like(x).index_add(0, centre, weights * x[neighbour])
        return self.message(gathered) + self.own(x)


class Interaction(nn.Module):
    """Three convolutions, one for each kind of geometry, joined and added to the residue's own part."""

    def __init__(self, hidden: int, features: tuple[int, int, int], layers: int, dropout: float):
        super().__init__()
        linear = lambda: nn.Linear(hidden, hidden)  # noqa: E731
        self.filters = nn.ModuleList([Filter(size, hidden) for size in features])
        self.convolutions = nn.ModuleList([Convolution(hidden) for _ in features])
        self.after = nn.ModuleList([linear() for _ in features])
        self.inward, self.past = linear(), linear()
        self.joined = nn.ModuleList([nn.Linear(3 * hidden, hidden), *(linear() for _ in range(layers - 1))])
        self.dense = nn.ModuleList([linear() for _ in range(layers - 1)])
        self.final = linear()
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, features: list[Tensor], centre: Tensor, neighbour: Tensor) -> Tensor:
        inward, past = functional.silu(self.inward(x)), functional.silu(self.past(x))
        found = [
            self.drop(functional.silu(after(convolution(inward, weigh(feature), centre, neighbour))))
            for weigh, convolution, after, feature in zip(self.filters, self.convolutions, self.after, features)
        ]
        h = torch.cat(found, 1)
        for linear in self.joined:
            h = self.drop(functional.silu(linear(h)))
        h = h + past
        for linear in self.dense:
            h = self.drop(functional.silu(linear(h)))
        return self.final(h)


class ProNet(nn.Module):
    """Proteins -> (n, classes).

    level: "aminoacid" sees CA atoms, "backbone" the N-CA-C frames as well, "allatom" the side-chain torsions as well.
    adapter: the slot for tokens, or None for the published network. noise: standard deviation of what is added to the
    residues before each block in training (0.025 in the recipe), and euler_noise of what is added to Euler angles.
    """

    def __init__(
        self,
        classes: int,
        level: str = "backbone",
        adapter: Adapter | None = None,
        hidden: int = 128,
        blocks: int = 4,
        layers: int = 3,
        dropout: float = 0.0,
        noise: float = 0.0,
        euler_noise: float = 0.0,
    ):
        super().__init__()
        if level not in LEVELS:
            raise ValueError(f"level {level!r} is not one of {', '.join(LEVELS)}")
        self.level, self.adapter, self.noise, self.euler_noise = level, adapter, noise, euler_noise
        extra = {"aminoacid": 0, "backbone": 6, "allatom": 14}[level] + (adapter.width if adapter else 0)
        # a table of residue types alone is what a linear map of the one-hot type without bias is
        self.embedding = nn.Linear(KINDS + extra, hidden, bias=extra > 0)
        angles = 1 if level == "aminoacid" else 3
        features = (RADIAL * bases.ORDERS**2, angles * RADIAL * bases.ORDERS, POSITIONS)
        self.radial = bases.Radial(RADIAL, CUTOFF)
        self.blocks = nn.ModuleList([Interaction(hidden, features, layers, dropout) for _ in range(blocks)])
        self.head = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, classes))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, batch: Proteins, generator: torch.Generator | None = None) -> Tensor:
        """generator: of the noise in training."""
        centre, neighbour = edges(batch)
        features = self.features(batch, centre, neighbour, generator)
        x = self.embedding(self.residues(batch))
        for block in self.blocks:
            if self.training and self.noise:
                drawn = torch.randn(x.shape, generator=generator, device=x.device)
                x = x + self.noise * drawn.clamp(-CLIP, CLIP)
            x = block(x, features, centre, neighbour)
        pooled = x.new_zeros(len(batch), x.shape[1]).index_add(0, batch.domain, x)
        return self.head(pooled)

    def residues(self, batch: Proteins) -> Tensor:
        """(R, 26 + 6 + 8 + adapter): one-hot type, and what the level and the adapter add."""
        parts = [functional.one_hot(batch.kind, KINDS).to(batch.atoms.dtype)]
        if self.level != "aminoacid":
            parts.append(geometry.backbone_torsions(batch.backbone, batch.segment))
        if self.level == "allatom":
            parts.append(batch.side_torsions())
        if self.adapter is not None:
            parts.append(self.adapter(batch))
        return torch.cat(parts, 1)

    def features(
        self, batch: Proteins, centre: Tensor, neighbour: Tensor, generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """Geometry of each edge: (edge, 24) of d, θ, φ; (edge, 12) of d, τ or (edge, 36) of d and the Euler angles;
        (edge, 16) of the distance along the sequence.
        """
        before, after = geometry.references(batch.segment)
        distance, theta, phi, tau = geometry.directions(batch.ca, centre, neighbour, before, after)
        radial = self.radial(distance)
        if self.level == "aminoacid":
            turns = [tau]
        else:
            frame = geometry.frames(*batch.backbone.unbind(1))
            angles = geometry.euler(frame[centre], frame[neighbour])
            if self.training and self.euler_noise:
                drawn = torch.randn(angles.shape, generator=generator, device=angles.device)
                angles = angles + self.euler_noise * drawn.clamp(-CLIP, CLIP)
            turns = list(angles.unbind(-1))
        return [
            bases.sphere_basis(radial, theta, phi),
            torch.cat([bases.torsion_basis(radial, turn) for turn in turns], 1),
            bases.positions(neighbour - centre, POSITIONS).to(radial),
        ]


def edges(batch: Proteins) -> tuple[Tensor, Tensor]:
    """(edge,) rows of centre and neighbour: the nearest 32 residues of the same protein within 10 Å (CA to CA)."""
    graph = neighbours(batch.ca, batch.domain, CUTOFF, f"nearest-{CLOSEST + 1}")  # the residue itself counts there
    centre, neighbour, *_ = graph.edges()
    apart = centre != neighbour
    return centre[apart], neighbour[apart]

"""TensorNet (Simeon & De Fabritiis 2023): every channel of an atom is a 3 x 3 matrix, as the published weights have it.

A matrix is kept as its nine components along BASIS: 1 isotropic, 3 antisymmetric (a vector), 5 symmetric and
traceless; a rotation mixes components of the same part only. BASIS is orthonormal, so that the squared Frobenius norm
of a matrix is the sum of the squares of its components.
"""

from collections import deque
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, silu

from lib.models.config import EncoderConfig
from lib.models.graph import Graph
from lib.models.radial import ExpNormalBasis, cosine_cutoff


EMBEDDING_ROWS = 128  # row index = atomic number; more rows than in the published tables of ET and ViSNet
PARTS = (1, 3, 5)


def orthonormal_basis() -> Tensor:
    """The nine matrices (9, 3, 3), float64, in the order of PARTS."""
    xx, xy, _, _, yy, yz, zx, _, zz = torch.eye(9, dtype=torch.float64).view(9, 3, 3)
    antisymmetric = [yz - yz.T, zx - zx.T, xy - xy.T]
    symmetric = [yz + yz.T, zx + zx.T, xy + xy.T, xx - yy, 2 * zz - xx - yy]
    basis = torch.stack([xx + yy + zz, *antisymmetric, *symmetric])
    return basis / basis.norm(dim=(1, 2), keepdim=True)


BASIS = orthonormal_basis()


class TensorNet(nn.Module):
    """Messages are matrices, which an atom multiplies with its own.

    heads and smooth of the configuration have no effect: there is no attention, and every message fades out at the
    cutoff anyway.
    """

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.distance_expansion = ExpNormalBasis(config.rbf, config.cutoff)
        self.tensor_embedding = TensorEmbedding(config)
        self.interactions = nn.ModuleList([Interaction(config) for _ in range(config.layers)])
        self.out_norm = nn.LayerNorm(3 * config.hidden)
        self.linear = nn.Linear(3 * config.hidden, config.hidden)

    def forward(self, z: Tensor, graph: Graph) -> tuple[Tensor, Tensor]:
        """z (atom,) -> scalars (atom, hidden) and vectors (atom, 3, hidden)."""
        invariants, vectors = deque(self.layers(z, graph), maxlen=1).pop()
        return silu(self.linear(self.out_norm(invariants))), vectors

    def layers(self, z: Tensor, graph: Graph) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the squared norms of the three parts (atom, 3 hidden) and the antisymmetric part as vectors
        (atom, 3, hidden), of the embedding and after every layer, before the last normalisation.
        """
        for tensors in self.tensors(z, graph):
            squares = [part.square().sum(1) for part in tensors.split(PARTS, dim=1)]
            yield torch.cat(squares, dim=-1), tensors[:, 1:4] / 2**0.5

    def tensors(self, z: Tensor, graph: Graph) -> Iterator[Tensor]:
        """Yield components (atom, 9, hidden) of the embedding and after every layer."""
        edges = Edges(graph, self.distance_expansion)
        tensors = self.tensor_embedding(z, edges)
        yield tensors
        for layer in self.interactions:
            tensors = layer(tensors, edges)
            yield tensors


class Edges:
    """What the layers share about directed edges: ends, matrices of the direction, radial basis and cutoff function.

    A message goes from the centre of a neighbour list to the neighbour in it, unlike in ET and ViSNet; the difference
    shows once the lists are truncated.
    """

    def __init__(self, graph: Graph, expansion: ExpNormalBasis):
        self.source, self.target, self.pair, unit = graph.edges()
        # components of the identity, of the cross product with the direction, of the outer product with itself
        outer = torch.einsum("cxy,ex,ey->ec", BASIS[4:].to(unit), unit, unit)
        self.direction = torch.cat([torch.full_like(unit[:, :1], 3**0.5), -(2**0.5) * unit, outer], dim=1)
        distance = graph.distances()
        self.basis = expansion(distance)  # (pair + 1, rbf): filters are computed once per unordered pair
        self.fade = cosine_cutoff(distance, expansion.cutoff).unsqueeze(-1)

    def sum(self, messages: Tensor, atoms: int) -> Tensor:
        """Add (edge, ...) messages up at their targets: (atom, ...)."""
        return messages.new_zeros(atoms, *messages.shape[1:]).index_add(0, self.target, messages)


class TensorEmbedding(nn.Module):
    """First matrices of an atom: directions to its neighbours, weighted by distance and both elements."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        hidden = config.hidden
        self.distance_proj1 = nn.Linear(config.rbf, hidden)
        self.distance_proj2 = nn.Linear(config.rbf, hidden)
        self.distance_proj3 = nn.Linear(config.rbf, hidden)
        self.emb = nn.Embedding(EMBEDDING_ROWS, hidden)
        self.emb2 = nn.Linear(2 * hidden, hidden)
        self.init_norm = nn.LayerNorm(hidden)
        self.linears_tensor = nn.ModuleList([nn.Linear(hidden, hidden, bias=False) for _ in PARTS])
        self.linears_scalar = nn.ModuleList([nn.Linear(hidden, 2 * hidden), nn.Linear(2 * hidden, 3 * hidden)])

    def forward(self, z: Tensor, edges: Edges) -> Tensor:
        """z (atom,) -> components (atom, 9, hidden)."""
        elements = self.emb(z)
        # emb2 of both elements side by side, evaluated per atom instead of per edge
        at_target, at_source = self.emb2.weight.chunk(2, dim=-1)
        both = linear(elements, at_target, self.emb2.bias)[edges.target] + linear(elements, at_source)[edges.source]
        sums = []
        projections = (self.distance_proj1, self.distance_proj2, self.distance_proj3)
        for project, direction in zip(projections, edges.direction.split(PARTS, dim=1)):
            weight = both * (project(edges.basis) * edges.fade)[edges.pair]
            sums.append(edges.sum(direction.unsqueeze(-1) * weight.unsqueeze(1), len(z)))
        scales = self.init_norm(torch.cat(sums, dim=1).square().sum(1))
        for layer in self.linears_scalar:
            scales = silu(layer(scales))
        scales = scales.view(len(z), 1, -1, 3).unbind(-1)
        return torch.cat([mix(part) * scale for mix, part, scale in zip(self.linears_tensor, sums, scales)], dim=1)


class Interaction(nn.Module):
    """One layer: matrices from all neighbours, multiplied with the atom's own from both sides."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        hidden = config.hidden
        widths = (config.rbf, hidden, 2 * hidden, 3 * hidden)
        self.linears_scalar = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(widths)])
        self.linears_tensor = nn.ModuleList([nn.Linear(hidden, hidden, bias=False) for _ in (*PARTS, *PARTS)])

    def forward(self, tensors: Tensor, edges: Edges) -> Tensor:
        """(atom, 9, hidden) -> (atom, 9, hidden)."""
        tensors = bounded(tensors)
        own = mixed(tensors, self.linears_tensor[:3])
        received = matrices(self.messages(own, edges))
        own = matrices(own)
        # the sum of both orders keeps parities apart: under inversion only the antisymmetric part changes sign
        product = components(matmul(received, own) + matmul(own, received))
        change = mixed(bounded(product), self.linears_tensor[3:])
        square = matrices(change)
        return tensors + change + components(matmul(square, square))

    def messages(self, tensors: Tensor, edges: Edges) -> Tensor:
        """Sum of the neighbours' components (atom, 9, hidden), each part with a filter of its own."""
        filters = edges.basis
        for layer in self.linears_scalar:
            filters = silu(layer(filters))
        filters = (filters * edges.fade).view(len(filters), 1, -1, 3).unbind(-1)
        parts = zip(tensors.split(PARTS, dim=1), filters)
        # one part at a time bounds the memory
        sums = [edges.sum(part[edges.source] * weight[edges.pair], len(tensors)) for part, weight in parts]
        return torch.cat(sums, dim=1)


def mixed(tensors: Tensor, layers) -> Tensor:
    """Mix the channels of each part by its own linear layer."""
    return torch.cat([layer(part) for layer, part in zip(layers, tensors.split(PARTS, dim=1))], dim=1)


def bounded(tensors: Tensor) -> Tensor:
    """Divide every matrix by 1 + its squared norm."""
    return tensors / (tensors.square().sum(1, keepdim=True) + 1)


def matrices(tensors: Tensor) -> Tensor:
    """Components (atom, 9, hidden) -> matrices (atom, 3, 3, hidden)."""
    return (BASIS.to(tensors).view(9, 9).t() @ tensors).unflatten(1, (3, 3))


def components(matrix: Tensor) -> Tensor:
    """Matrices (atom, 3, 3, hidden) -> components (atom, 9, hidden)."""
    return BASIS.to(matrix).view(9, 9) @ matrix.flatten(1, 2)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Matrix product channel by channel: (atom, 3, 3, hidden)."""
    return sum(a[:, :, k].unsqueeze(2) * b[:, k].unsqueeze(1) for k in range(3))


Representation = TensorNet  # the name by which encoder.py finds it

"""ViSNet (Wang et al. 2024) with vectors only (l = 1) and no vertex dihedrals, as the published weights have it."""

from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from lib.models.config import EMBEDDING_ROWS, EncoderConfig
from lib.models.graph import Graph
from lib.models.radial import ExpNormalBasis, cosine_cutoff


class ViSNet(nn.Module):
    """Attention over scalars, vectors and edge features, which learn angles between the two atoms' vectors."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(EMBEDDING_ROWS, config.hidden)
        self.distance_expansion = ExpNormalBasis(config.rbf, config.cutoff)
        self.neighbor_embedding = NeighborEmbedding(config)
        self.edge_embedding = EdgeEmbedding(config)
        last = config.layers - 1
        self.vis_mp_layers = nn.ModuleList([MessagePassing(config, layer == last) for layer in range(config.layers)])
        self.out_norm = nn.LayerNorm(config.hidden)
        self.vec_out_norm = VectorNorm(config.hidden)

    def forward(self, z: Tensor, graph: Graph) -> tuple[Tensor, Tensor]:
        """z (atom,) -> normalised scalars (atom, hidden) and vectors (atom, 3, hidden)."""
        scalars, vectors = deque(self.layers(z, graph), maxlen=1).pop()
        return self.out_norm(scalars), self.vec_out_norm(vectors)

    def layers(self, z: Tensor, graph: Graph) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield scalars and vectors of the embedding and after every layer, before the last normalisation."""
        edges = Edges(graph, self.distance_expansion)
        scalars = self.neighbor_embedding(z, self.embedding(z), edges)
        vectors = scalars.new_zeros(len(z), 3, self.config.hidden)
        features = self.edge_embedding(scalars, edges)
        yield scalars, vectors
        for layer in self.vis_mp_layers:
            change, turn, edge_change = layer(scalars, vectors, features, edges)
            scalars, vectors = scalars + change, vectors + turn
            features = features if edge_change is None else features + edge_change
            yield scalars, vectors


class Edges:
    """What the layers share about directed edges: ends, direction, radial basis and cutoff function."""

    def __init__(self, graph: Graph, expansion: ExpNormalBasis):
        self.centre, self.neighbour, self.pair, self.unit = graph.edges()
        self.unit = self.unit.unsqueeze(-1)
        distance = graph.distances()
        self.basis = expansion(distance)  # (pair + 1, rbf): what depends on r alone is computed once per unordered pair
        self.pair_fade = cosine_cutoff(distance, expansion.cutoff).unsqueeze(-1)
        self.fade = self.pair_fade[self.pair]

    def sum(self, messages: Tensor, atoms: int) -> Tensor:
        """Add (edge, ...) messages up at their centres: (atom, ...)."""
        return messages.new_zeros(atoms, *messages.shape[1:]).index_add(0, self.centre, messages)


class NeighborEmbedding(nn.Module):
    """Mix every atom's element with the elements around it."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.embedding = nn.Embedding(EMBEDDING_ROWS, config.hidden)
        self.distance_proj = nn.Linear(config.rbf, config.hidden)
        self.combine = nn.Linear(2 * config.hidden, config.hidden)

    def forward(self, z: Tensor, scalars: Tensor, edges: Edges) -> Tensor:
        """(atom, hidden) -> (atom, hidden)."""
        filters = (self.distance_proj(edges.basis) * edges.pair_fade)[edges.pair]
        others = (edges.centre != edges.neighbour).unsqueeze(-1)
        around = edges.sum(self.embedding(z)[edges.neighbour] * filters * others, len(z))
        return self.combine(torch.cat([scalars, around], dim=-1))


class EdgeEmbedding(nn.Module):
    """First edge features: both ends' scalars times a function of the distance."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.edge_proj = nn.Linear(config.rbf, config.hidden)

    def forward(self, scalars: Tensor, edges: Edges) -> Tensor:
        """(atom, hidden) -> (edge, hidden)."""
        return (scalars[edges.centre] + scalars[edges.neighbour]) * self.edge_proj(edges.basis)[edges.pair]


class VectorNorm(nn.Module):
    """Rescale each atom's vectors so that their lengths run from 0 to the weight over the channels.

    The scale of the input cancels: the vectors of an atom that loses its last neighbour jump to 0.
    """

    def __init__(self, hidden: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))

    def forward(self, vectors: Tensor) -> Tensor:
        """(atom, 3, hidden) -> (atom, 3, hidden)."""
        length = vectors.square().sum(1, keepdim=True).clamp_min(1e-24).sqrt()
        low, high = length.amin(-1, keepdim=True), length.amax(-1, keepdim=True)
        spread = torch.where(high > low, high - low, 1.0)
        return vectors * ((length - low) / (spread * length)) * self.weight


class MessagePassing(nn.Module):
    """One layer: attention messages, then updates of scalars, vectors and, but for the last layer, edges."""

    def __init__(self, config: EncoderConfig, last: bool):
        super().__init__()
        hidden = config.hidden
        self.heads, self.smooth, self.last = config.heads, config.smooth, last
        self.layernorm = nn.LayerNorm(hidden)
        self.vec_layernorm = VectorNorm(hidden)
        self.vec_proj = nn.Linear(hidden, 3 * hidden, bias=False)
        self.q_proj = nn.Linear(hidden, hidden)
        self.k_proj = nn.Linear(hidden, hidden)
        self.v_proj = nn.Linear(hidden, hidden)
        self.dk_proj = nn.Linear(hidden, hidden)
        self.dv_proj = nn.Linear(hidden, hidden)
        self.s_proj = nn.Linear(hidden, 2 * hidden)
        self.o_proj = nn.Linear(hidden, 3 * hidden)
        if not last:
            self.f_proj = nn.Linear(hidden, hidden)
            self.w_src_proj = nn.Linear(hidden, hidden, bias=False)
            self.w_trg_proj = nn.Linear(hidden, hidden, bias=False)

    def forward(self, scalars: Tensor, vectors: Tensor, features: Tensor, edges: Edges):
        """Changes of scalars (atom, hidden), vectors (atom, 3, hidden) and edge features (edge, hidden) or None."""
        normed, arrows = self.layernorm(scalars), self.vec_layernorm(vectors)
        message, turn = self.messages(normed, arrows, features, edges)
        first, second, third = self.vec_proj(arrows).chunk(3, dim=-1)
        out1, out2, out3 = self.o_proj(message).chunk(3, dim=-1)
        change = (first * second).sum(1) * out2 + out3
        edge_change = None if self.last else silu(self.f_proj(features)) * self.angles(arrows, edges)
        return change, third * out1.unsqueeze(1) + turn, edge_change

    def messages(self, normed: Tensor, arrows: Tensor, features: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        """Sum over neighbours of scalar (atom, hidden) and vector (atom, 3, hidden) messages."""
        atoms, hidden = normed.shape
        query = self.q_proj(normed)[edges.centre]
        key = self.k_proj(normed)[edges.neighbour]
        score = (query * key * silu(self.dk_proj(features))).view(-1, self.heads, hidden // self.heads).sum(-1)
        attention = (silu(score) * edges.fade).repeat_interleave(hidden // self.heads, dim=-1)
        message = self.v_proj(normed)[edges.neighbour] * silu(self.dv_proj(features)) * attention
        keep, turn = silu(self.s_proj(message)).unsqueeze(1).chunk(2, dim=-1)
        if self.smooth:
            keep, turn = keep * edges.fade.unsqueeze(1), turn * edges.fade.unsqueeze(1)
        return edges.sum(message, atoms), edges.sum(arrows[edges.neighbour] * keep + turn * edges.unit, atoms)

    def angles(self, arrows: Tensor, edges: Edges) -> Tensor:
        """Scalar product of both ends' vectors less what lies along the edge (edge, hidden).

        With |u| = 1 it is a.b - (a.u)(b.u); a self loop has u = 0.
        """
        at_centre, at_neighbour = self.w_trg_proj(arrows)[edges.centre], self.w_src_proj(arrows)[edges.neighbour]
        along = (at_centre * edges.unit).sum(1) * (at_neighbour * edges.unit).sum(1)
        return (at_centre * at_neighbour).sum(1) - along


Representation = ViSNet  # the name by which encoder.py finds it

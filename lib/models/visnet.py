"""ViSNet (Wang et al. 2024) with vectors only (l = 1) and no vertex dihedrals, as the published weights have it."""

from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from lib.models.config import EMBEDDING_ROWS, EncoderConfig, may_compile
from lib.models.graph import Graph
from lib.models.radial import ExpNormalBasis, cosine_cutoff


class ViSNet(nn.Module):
    """Attention over scalars, vectors and edge features, which learn angles between the two atoms' vectors.

    fused: run compiled loops where they apply: float32 on a CPU, no gradient with respect to the positions, see
    `config.may_compile`. With gradients they take over what is done per edge (lib.models.visnet_training); without any
    they run whole layers (lib.models.visnet_fused), with weights that are packed once, and again when one has changed.
    All ways agree to float32 rounding.
    """

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        # the loops take four channels at a time
        self.fused = may_compile() and config.hidden % 4 == 0
        self.packed = None
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
        if self._compiled(graph) and not self._learns():
            from lib.models import visnet_fused  # here, because numba takes a second to import

            yield from visnet_fused.layers(self, z, graph)
            return
        edges = self._edges(graph)
        scalars = self.neighbor_embedding(z, self.embedding(z), edges)
        vectors = scalars.new_zeros(len(z), 3, self.config.hidden)
        features = self.edge_embedding(scalars, edges)
        yield scalars, vectors
        for layer in self.vis_mp_layers:
            change, turn, features = layer(scalars, vectors, features, edges)
            scalars, vectors = scalars + change, vectors + turn
            yield scalars, vectors

    def _compiled(self, graph: Graph) -> bool:
        distance = graph.distance
        plain = distance.dtype == torch.float32 and distance.device.type == "cpu"
        return self.fused and plain and not (distance.requires_grad and torch.is_grad_enabled())

    def _learns(self) -> bool:
        return torch.is_grad_enabled() and any(p.requires_grad for p in self.parameters())

    def _edges(self, graph: Graph):
        if self._compiled(graph):
            from lib.models import visnet_training

            return visnet_training.Edges(graph, self.distance_expansion, self.config.hidden, self.config.heads)
        return Edges(graph, self.distance_expansion)

    def train(self, mode: bool = True):
        """Also forgets the packed weights."""
        self.packed = None
        return super().train(mode)

    def __getstate__(self) -> dict:
        return self.__dict__ | {"packed": None}  # a copy, in this or another process, packs its own


class Edges:
    """Directed edges: ends, direction, radial basis and cutoff function, and all that is done per edge."""

    def __init__(self, graph: Graph, expansion: ExpNormalBasis):
        self.centre, self.neighbour, self.pair, self.unit = graph.edges()
        self.unit = self.unit.unsqueeze(-1)
        distance = graph.distances()
        self.basis = expansion(distance)  # (pair + 1, rbf): what depends on r alone is computed once per unordered pair
        self.pair_fade = cosine_cutoff(distance, expansion.cutoff).unsqueeze(-1)
        self.fade = self.pair_fade[self.pair]

    def surroundings(self, elements: Tensor, distance_proj: nn.Module) -> Tensor:
        """Sum of the elements of all other atoms in sight, times a filter: (atom, hidden) -> (atom, hidden)."""
        filters = (distance_proj(self.basis) * self.pair_fade)[self.pair]
        others = (self.centre != self.neighbour).unsqueeze(-1)
        return self._sum(elements[self.neighbour] * filters * others, len(elements))

    def begin(self, scalars: Tensor, edge_proj: nn.Module) -> Tensor:
        """First features: both ends' scalars (atom, hidden) times a filter: (edge, hidden)."""
        return (scalars[self.centre] + scalars[self.neighbour]) * edge_proj(self.basis)[self.pair]

    def normalise(self, vectors: Tensor, norm: nn.Module) -> Tensor:
        """Rescaled vectors (atom, 3, hidden); here, because the compiled twin has its own way."""
        return norm(vectors)

    def send(self, layer: "MessagePassing", normed: Tensor, arrows: Tensor, features: Tensor):
        """Sums of scalar (atom, hidden) and vector (atom, 3, hidden) messages, and the new features (edge, hidden)."""
        message, turn = self._messages(layer, normed, arrows, features)
        if not layer.last:
            features = features + silu(layer.f_proj(features)) * self._angles(layer, arrows)
        return message, turn, features

    def _messages(self, layer, normed: Tensor, arrows: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        atoms, hidden = normed.shape
        query = layer.q_proj(normed)[self.centre]
        key = layer.k_proj(normed)[self.neighbour]
        score = (query * key * silu(layer.dk_proj(features))).view(-1, layer.heads, hidden // layer.heads).sum(-1)
        attention = (silu(score) * self.fade).repeat_interleave(hidden // layer.heads, dim=-1)
        message = layer.v_proj(normed)[self.neighbour] * silu(layer.dv_proj(features)) * attention
        keep, turn = silu(layer.s_proj(message)).unsqueeze(1).chunk(2, dim=-1)
        if layer.smooth:
            keep, turn = keep * self.fade.unsqueeze(1), turn * self.fade.unsqueeze(1)
        return self._sum(message, atoms), self._sum(arrows[self.neighbour] * keep + turn * self.unit, atoms)

    def _angles(self, layer, arrows: Tensor) -> Tensor:
        """Scalar product of both ends' vectors less what lies along the edge (edge, hidden).

        With |u| = 1 it is a.b - (a.u)(b.u); a self loop has u = 0.
        """
        at_centre, at_neighbour = layer.w_trg_proj(arrows)[self.centre], layer.w_src_proj(arrows)[self.neighbour]
        along = (at_centre * self.unit).sum(1) * (at_neighbour * self.unit).sum(1)
        return (at_centre * at_neighbour).sum(1) - along

    def _sum(self, messages: Tensor, atoms: int) -> Tensor:
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
        around = edges.surroundings(self.embedding(z), self.distance_proj)
        return self.combine(torch.cat([scalars, around], dim=-1))


class EdgeEmbedding(nn.Module):
    """First edge features: both ends' scalars times a function of the distance."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.edge_proj = nn.Linear(config.rbf, config.hidden)

    def forward(self, scalars: Tensor, edges: Edges) -> Tensor:
        """(atom, hidden) -> (edge, hidden)."""
        return edges.begin(scalars, self.edge_proj)


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
        """Changes of scalars (atom, hidden) and vectors (atom, 3, hidden), and the new features (edge, hidden)."""
        normed, arrows = self.layernorm(scalars), edges.normalise(vectors, self.vec_layernorm)
        message, turn, features = edges.send(self, normed, arrows, features)
        first, second, third = self.vec_proj(arrows).chunk(3, dim=-1)
        out1, out2, out3 = self.o_proj(message).chunk(3, dim=-1)
        return (first * second).sum(1) * out2 + out3, third * out1.unsqueeze(1) + turn, features


Representation = ViSNet  # the name by which encoder.py finds it

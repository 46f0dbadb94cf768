"""Equivariant Transformer (TorchMD-NET, Thölke & De Fabritiis 2022), with the published weights' conventions."""

from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from lib.models.config import EMBEDDING_ROWS, EncoderConfig, may_compile
from lib.models.graph import Graph
from lib.models.radial import ExpNormalBasis, cosine_cutoff


class EquivariantTransformer(nn.Module):
    """Attention whose weights carry distance filters, over scalars and vectors of every atom.

    fused: sum the messages by the compiled pair loop (lib.models.fused) where it applies: float32 on a CPU, no
    gradient with respect to the positions, see `config.may_compile`. Without any gradient the weights are packed once
    (lib.models.et_inference) and again when one has changed. All ways agree to float32 rounding.
    """

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        self.fused = may_compile()
        self.packed = None
        self.embedding = nn.Embedding(EMBEDDING_ROWS, config.hidden)
        self.distance_expansion = ExpNormalBasis(config.rbf, config.cutoff)
        self.attention_layers = nn.ModuleList([Attention(config) for _ in range(config.layers)])
        self.out_norm = nn.LayerNorm(config.hidden)

    def forward(self, z: Tensor, graph: Graph) -> tuple[Tensor, Tensor]:
        """z (atom,) -> scalars (atom, hidden), normalised over channels, and raw vectors (atom, 3, hidden)."""
        if self._compiled(graph) and not torch.is_grad_enabled():
            return self._inference(z, graph)
        scalars, vectors = deque(self.layers(z, graph), maxlen=1).pop()
        return self.out_norm(scalars), vectors

    def layers(self, z: Tensor, graph: Graph) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield scalars and vectors of the embedding and after every layer, before the last normalisation."""
        scalars = self.embedding(z)
        vectors = scalars.new_zeros(len(z), 3, self.config.hidden)
        yield scalars, vectors
        geometry, send = self._geometry(graph)
        for layer in self.attention_layers:
            change, turn = layer(scalars, vectors, geometry, send)
            scalars, vectors = scalars + change, vectors + turn
            yield scalars, vectors

    def _compiled(self, graph: Graph) -> bool:
        distance = graph.distance
        plain = distance.dtype == torch.float32 and distance.device.type == "cpu" and not distance.requires_grad
        return self.fused and plain

    def _geometry(self, graph: Graph):
        if self._compiled(graph):
            from lib.models import fused  # here, because numba takes a second to import

            return fused.Stencil(graph, self.distance_expansion), fused.messages
        return Edges(graph, self.distance_expansion), messages

    def _inference(self, z: Tensor, graph: Graph) -> tuple[Tensor, Tensor]:
        from lib.models import et_inference, fused

        stencil = fused.Stencil(graph, self.distance_expansion)
        if self.packed is None or self.packed.stamp != et_inference.stamp(self):
            self.packed = et_inference.Packed(self, stencil)
        return et_inference.embed(self, self.packed, z, stencil)

    def train(self, mode: bool = True):
        """Also forgets the packed weights."""
        self.packed = None
        return super().train(mode)

    def __getstate__(self) -> dict:
        return self.__dict__ | {"packed": None}  # a copy, in this or another process, packs its own


class Attention(nn.Module):
    """One layer: messages from all neighbours, then an update of the atom's scalars and vectors."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        hidden = config.hidden
        self.heads, self.smooth = config.heads, config.smooth
        self.layernorm = nn.LayerNorm(hidden)
        self.q_proj = nn.Linear(hidden, hidden)
        self.k_proj = nn.Linear(hidden, hidden)
        self.v_proj = nn.Linear(hidden, 3 * hidden)
        self.o_proj = nn.Linear(hidden, 3 * hidden)
        self.vec_proj = nn.Linear(hidden, 3 * hidden, bias=False)
        self.dk_proj = nn.Linear(config.rbf, hidden)
        self.dv_proj = nn.Linear(config.rbf, 3 * hidden)

    def forward(self, scalars: Tensor, vectors: Tensor, geometry, send) -> tuple[Tensor, Tensor]:
        """Change of the scalars (atom, hidden) and vectors (atom, 3, hidden), with messages summed by `send`."""
        message, turn = send(self, self.layernorm(scalars), vectors, geometry)
        first, second, third = self.vec_proj(vectors).chunk(3, dim=-1)
        out1, out2, out3 = self.o_proj(message).chunk(3, dim=-1)
        return (first * second).sum(1) * out2 + out3, third * out1.unsqueeze(1) + turn


class Edges:
    """What the layers share about directed edges: ends, direction, radial basis and cutoff function."""

    def __init__(self, graph: Graph, expansion: ExpNormalBasis):
        self.centre, self.neighbour, self.pair, self.unit = graph.edges()
        distance = graph.distances()
        self.basis = expansion(distance)  # (pair + 1, rbf): filters are computed once per unordered pair
        self.fade = cosine_cutoff(distance, expansion.cutoff)[self.pair].view(-1, 1, 1)


def messages(layer: Attention, normed: Tensor, vectors: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
    """Sum over neighbours of scalar (atom, hidden) and vector (atom, 3, hidden) messages."""
    atoms, hidden = normed.shape
    heads, width = layer.heads, hidden // layer.heads
    query = layer.q_proj(normed).view(-1, heads, width)[edges.centre]
    key = layer.k_proj(normed).view(-1, heads, width)[edges.neighbour]
    filters = silu(layer.dk_proj(edges.basis)).view(-1, heads, width)[edges.pair]
    attention = silu((query * key * filters).sum(-1, keepdim=True)) * edges.fade
    # per head: [value | scale of the neighbour's vectors | weight of the direction]
    parts = layer.v_proj(normed).view(-1, heads, 3 * width)[edges.neighbour]
    parts = parts * silu(layer.dv_proj(edges.basis)).view(-1, heads, 3 * width)[edges.pair]
    value, keep, turn = parts.chunk(3, dim=-1)
    if layer.smooth:
        keep, turn = keep * edges.fade, turn * edges.fade
    message = (value * attention).reshape(-1, hidden)
    arrow = vectors[edges.neighbour] * keep.reshape(-1, 1, hidden)
    arrow = arrow + turn.reshape(-1, 1, hidden) * edges.unit.unsqueeze(-1)
    return (
        message.new_zeros(atoms, hidden).index_add(0, edges.centre, message),
        arrow.new_zeros(atoms, 3, hidden).index_add(0, edges.centre, arrow),
    )


Representation = EquivariantTransformer  # the name by which encoder.py finds it

"""Fast CPU twin of ViSNet.layers without gradients: loops over blocks of edges that stay in the cache."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from lib.models import knots
from lib.models import visnet_kernels as kernels
from lib.models.et_inference import stamp
from lib.models.graph import Graph
from lib.models.radial import cosine_cutoff


FINER = 2  # than the knots of the Equivariant Transformer: an edge's features keep their error through all layers


def layers(model, z: Tensor, graph: Graph) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield scalars and vectors of the embedding and after every layer, as ViSNet.layers does."""
    if model.packed is None or model.packed.stamp != stamp(model):
        model.packed = Packed(model)
    around, features, weights = model.packed.around, model.packed.features, model.packed.layers
    work = Workspace(model, graph)
    scalars = work.mix_elements(model.neighbor_embedding, model.embedding(z), z, around)
    vectors = torch.zeros(len(z), 3, model.config.hidden)
    work.begin_features(scalars, features)
    yield scalars, vectors
    for number, layer in enumerate(model.vis_mp_layers):
        scalars, vectors = scalars.clone(), vectors.clone()
        work.run(layer, weights[number], number > 0, scalars, vectors)
        yield scalars, vectors


class Packed:
    """A model's weights as the kernels want them, and its filters at the knots; good until a weight changes."""

    def __init__(self, model):
        self.stamp = stamp(model)
        expansion, hidden, heads = model.distance_expansion, model.config.hidden, model.config.heads
        basis, fade = at_knots(expansion)
        self.around = (model.neighbor_embedding.distance_proj(basis) * fade).numpy()
        self.features = model.edge_embedding.edge_proj(basis).numpy()
        self.layers = [PackedLayer(layer, swap(hidden, heads)) for layer in model.vis_mp_layers]


class PackedLayer:
    """Weights (in, out), flat, and biases of one layer; in the edges' channels heads go fastest."""

    def __init__(self, layer, order: Tensor):
        self.norm = layer.vec_layernorm.weight.detach().numpy()
        self.nodes = _flat(layer.q_proj, layer.k_proj, layer.v_proj, outputs=order)
        self.filters = _flat(layer.dk_proj, layer.dv_proj, outputs=order)
        self.turns = _flat(layer.s_proj, inputs=order)
        self.out = _flat(layer.o_proj, inputs=order)
        self.mix = _flat(layer.vec_proj)
        self.ends = self.bends = self.mix  # not read in the last layer
        if not layer.last:
            self.ends, self.bends = _flat(layer.w_trg_proj, layer.w_src_proj), _flat(layer.f_proj)


class Workspace:
    """The edges of one graph, and what they read of the atoms and sum up for them; made once for all layers."""

    def __init__(self, model, graph: Graph):
        expansion, hidden, heads = model.distance_expansion, model.config.hidden, model.config.heads
        self.sizes, self.channels = ((0,) * heads, (0,) * (hidden // heads)), (0,) * hidden
        self.ends, self.places, self.unit, self.fade = geometry(graph, expansion)
        self.features = _rows(len(self.unit), kernels.BLOCK, hidden).numpy()
        # torch's memory begins with a cache line, numba's does not; loads across two lines are slow
        self.space = torch.empty(max(5 * kernels.BLOCK + 2, 12 * kernels.ATOMS) * hidden).numpy()
        self.normed = _rows(graph.atoms, kernels.ATOMS, hidden)
        widths = (3, 3, 6, 1, 3)
        arrays = (_rows(graph.atoms, kernels.ATOMS, width * hidden).numpy() for width in widths)
        self.nodes, self.arrows, self.atom_ends, self.message, self.turned = arrays

    def mix_elements(self, embedding, scalars: Tensor, z: Tensor, table: np.ndarray) -> Tensor:
        """As NeighborEmbedding.forward: (atom, hidden) -> (atom, hidden)."""
        elements, around = embedding.embedding(z), torch.zeros_like(scalars)
        kernels.surroundings(self.channels, *self.ends, *self.places, table, elements.numpy(), around.numpy())
        return embedding.combine(torch.cat([scalars, around], dim=-1))

    def begin_features(self, scalars: Tensor, table: np.ndarray) -> None:
        """Set the features as EdgeEmbedding.forward does."""
        kernels.edge_features(self.channels, *self.ends, *self.places, table, scalars.numpy(), self.features)

    def run(self, layer, weights: PackedLayer, moved: bool, scalars: Tensor, vectors: Tensor) -> None:
        """One layer on scalars (atom, hidden), vectors (atom, 3, hidden) and features, in place.

        moved: the vectors are no longer 0; before that there are no angles.
        """
        update = moved and not layer.last
        x, v = scalars.numpy(), vectors.view(len(vectors), -1).numpy()
        self.normed[: len(x)] = layer.layernorm(scalars)
        nodes = self.nodes, self.arrows, self.atom_ends
        kernels.prepare(
            *self.sizes, update, self.normed.numpy(), v, weights.norm, *weights.nodes, *weights.ends, *nodes
        )  # fmt: skip
        self.message[:] = 0
        self.turned[:] = 0
        kernels.pass_messages(
            *self.sizes, *self.ends, self.unit, self.fade, layer.smooth, update, *nodes,
            (*weights.filters, *weights.turns, *weights.bends), self.space, self.features, self.message, self.turned,
        )  # fmt: skip
        kernels.change(
            *self.sizes, self.arrows, self.message, self.turned, *weights.mix, *weights.out, self.space, x, v
        )


def geometry(graph: Graph, expansion) -> tuple:
    """Of directed edges: centre and neighbour; pair, and its row and weights in a table; unit; cutoff function."""
    centre, neighbour, pair, unit = (t.numpy() for t in graph.edges())
    distance = graph.distances()
    places = pair, *knots.locate(distance.numpy(), expansion.cutoff, _knots(expansion))
    return (centre, neighbour), places, unit, cosine_cutoff(distance, expansion.cutoff).numpy()[pair]


def at_knots(expansion) -> tuple[Tensor, Tensor]:
    """Radial basis (knot, rbf) and cutoff function (knot, 1) at the knots."""
    radii = torch.from_numpy(knots.radii(expansion.cutoff, _knots(expansion))).float()
    return expansion(radii), cosine_cutoff(radii, expansion.cutoff).unsqueeze(-1)


def _knots(expansion) -> int:
    return FINER * knots.count(len(expansion.means))


def swap(hidden: int, heads: int) -> Tensor:
    """The channels in the order of lanes.py."""
    return torch.arange(hidden).view(heads, -1).t().reshape(-1)


def joined(*linears, inputs=slice(None), outputs=slice(None)) -> tuple[Tensor, Tensor]:
    """Weight (out, in) and bias of linear layers side by side, each with its channels in the order given."""
    weight = torch.cat([linear.weight[outputs] for linear in linears])[:, inputs]
    zero = weight.new_zeros(len(linears[0].weight))
    return weight, torch.cat([zero if linear.bias is None else linear.bias[outputs] for linear in linears])


def _flat(*linears, **order) -> tuple[np.ndarray, np.ndarray]:
    """Weight (in, out), flat, and bias, as `joined` has them."""
    weight, bias = joined(*linears, **order)
    return weight.t().flatten().numpy(), bias.numpy()


def _rows(count: int, block: int, width: int) -> Tensor:
    """Zeros (row, width) with rows for a whole number of blocks."""
    return torch.zeros(-(-count // block) * block, width)

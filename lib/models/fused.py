"""Fast CPU twin of et.messages: one pass over the atom pairs instead of one tensor per intermediate and edge.

A filter depends on the distance only. It is tabulated at `12 * rbf` knots, dense where the radial basis is narrow, and
read off by cubic interpolation (within about 1e-6 of the exact filter). So the filter networks run over the knots
instead of over the pairs, and their gradient comes back through the table.
"""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, silu

from lib.models import kernels, knots
from lib.models.graph import Graph
from lib.models.radial import ExpNormalBasis, cosine_cutoff


class Stencil:
    """Where each pair reads the filter table, and which of the two atoms sees the other; shared by all layers."""

    def __init__(self, graph: Graph, expansion: ExpNormalBasis):
        self.expansion, self.knots = expansion, knots.count(len(expansion.means))
        row, weight = knots.locate(graph.distance.numpy(), expansion.cutoff, self.knots)
        if graph.forward is None:
            sees = np.full(len(graph.first), 3, np.uint8)
            loop = np.ones(graph.atoms, bool)
        else:
            sees, loop = (graph.forward.byte() + 2 * graph.backward.byte()).numpy(), graph.loop.numpy()
        self.arrays = [graph.first.numpy(), graph.second.numpy(), sees, loop, row, weight, graph.unit.numpy()]

    @cached_property
    def radii(self) -> Tensor:
        """Distances of the knots (knot,), Å."""
        return torch.from_numpy(knots.radii(self.expansion.cutoff, self.knots)).float()

    @cached_property
    def basis(self) -> Tensor:
        """Radial basis at the knots (knot, rbf)."""
        return self.expansion(self.radii)

    @cached_property
    def fade(self) -> Tensor:
        """Cutoff function at the knots (knot, 1)."""
        return cosine_cutoff(self.radii, self.expansion.cutoff).unsqueeze(-1)


def messages(layer, normed: Tensor, vectors: Tensor, stencil: Stencil) -> tuple[Tensor, Tensor]:
    """Sum over neighbours of scalar (atom, hidden) and vector (atom, 3, hidden) messages, as et.messages does."""
    atoms, hidden = normed.shape
    order = Order(layer)
    nodes = linear(normed, *order.nodes(layer))
    arrows = vectors * nodes[:, 4 * hidden :].unsqueeze(1)
    atom = torch.cat([arrows.view(atoms, 3 * hidden), nodes[:, : 4 * hidden]], dim=1)
    sums = PairSum.apply(atom, order.table(layer, stencil.basis, stencil.fade), stencil.arrays, layer.heads)
    return sums[:, 3 * hidden :][:, order.swap.argsort()], sums[:, : 3 * hidden].view(atoms, 3, hidden)


class Order:
    """The channels of a layer's linear maps in the order of the kernels: channel d of head h in row d, lane h."""

    def __init__(self, layer):
        hidden = layer.q_proj.out_features
        self.swap = torch.arange(hidden).view(layer.heads, -1).t().reshape(-1)
        value, keep, turn = torch.arange(3 * hidden).view(layer.heads, 3, -1).unbind(1)
        self.value, self.keep, self.turn = value.t().reshape(-1), keep.reshape(-1), turn.reshape(-1)

    def nodes(self, layer) -> tuple[Tensor, Tensor]:
        """Weight (5 H, H) and bias of query, key, value, weight of the direction and scale of the vectors."""
        parts = (layer.q_proj, self.swap), (layer.k_proj, self.swap)
        return _joined(*parts, (layer.v_proj, torch.cat([self.value, self.turn, self.keep])))

    def table(self, layer, basis: Tensor, fade: Tensor) -> Tensor:
        """Filters (knot, 4 H) of the attention, of the value, of the vectors, of the direction."""
        value = torch.cat([self.value, self.keep, self.turn])
        table = silu(linear(basis, *_joined((layer.dk_proj, self.swap), (layer.dv_proj, value))))
        hidden = len(self.swap)
        attention, faded, steady = table.split([hidden, hidden, 2 * hidden], dim=-1)
        return torch.cat([attention, faded * fade, steady * fade if layer.smooth else steady], dim=-1)


def _joined(*parts) -> tuple[Tensor, Tensor]:
    """Weight and bias of several linear layers side by side, each with its output channels in the order given."""
    weight = torch.cat([layer.weight[order] for layer, order in parts])
    return weight, torch.cat([layer.bias[order] for layer, order in parts])


class PairSum(torch.autograd.Function):
    """The pair loop of kernels.py as a differentiable function of atoms and filter table."""

    @staticmethod
    def forward(ctx, atoms, table, pairs, heads):
        hidden = table.shape[1] // 4
        ctx.sizes = (0,) * heads, (0,) * (hidden // heads)
        ctx.pairs = pairs
        sums = atoms.new_zeros(len(atoms), 4 * hidden)
        gate, loop_gate = atoms.new_empty(len(pairs[0]), 2 * heads), atoms.new_empty(len(atoms), heads)
        ctx.save_for_backward(atoms, table, gate, loop_gate)
        kernels.forward(*ctx.sizes, *pairs, *(t.detach().numpy() for t in (atoms, table, sums, gate, loop_gate)))
        return sums

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, sums):
        atoms, table, gate, loop_gate = ctx.saved_tensors
        gradients = [torch.zeros_like(t) for t in (atoms, table)]
        fields = (atoms, table, sums.contiguous(), gate, loop_gate, *gradients)
        kernels.backward(*ctx.sizes, *ctx.pairs, *(t.detach().numpy() for t in fields))
        return *gradients, None, None

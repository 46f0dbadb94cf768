"""Fast CPU twin of et.messages: one pass over the atom pairs instead of one tensor per intermediate and edge.

A filter depends on the distance only. It is tabulated at `16 * rbf` knots, dense where the radial basis is narrow, and
read off by cubic interpolation (within about 1e-6 of the exact filter). So the filter networks run over the knots
instead of over the pairs, and their gradient comes back through the table.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import linear, silu

from lib.models import kernels
from lib.models.graph import Graph
from lib.models.radial import ExpNormalBasis, cosine_cutoff


WARP = 1.0  # Å: the knots are uniform in log(1 + r / WARP)
KNOTS_PER_FUNCTION = 16


class Stencil:
    """Where each pair reads the filter table, and which of the two atoms sees the other; shared by all layers."""

    def __init__(self, graph: Graph, expansion: ExpNormalBasis):
        knots = KNOTS_PER_FUNCTION * len(expansion.means)
        step = math.log1p(expansion.cutoff / WARP) / (knots - 1)
        radii = (WARP * torch.expm1(torch.arange(knots, dtype=torch.float64) * step)).float()
        self.basis, self.fade = expansion(radii), cosine_cutoff(radii, expansion.cutoff).unsqueeze(-1)
        place = torch.log1p(graph.distance / WARP) / step
        row = place.long().clamp(1, knots - 3) - 1
        a = place - row
        b, c, d = a - 1, a - 2, a - 3
        weight = torch.stack([-b * c * d / 6, a * c * d / 2, -a * b * d / 2, a * b * c / 6], dim=-1)
        if graph.forward is None:
            sees = torch.full_like(graph.first, 3, dtype=torch.uint8)
            loop = torch.ones(graph.atoms, dtype=torch.bool)
        else:
            sees, loop = graph.forward.byte() + 2 * graph.backward.byte(), graph.loop
        self.arrays = [t.numpy() for t in (graph.first, graph.second, sees, loop, row, weight, graph.unit)]


def messages(layer, normed: Tensor, vectors: Tensor, stencil: Stencil) -> tuple[Tensor, Tensor]:
    """Sum over neighbours of scalar (atom, hidden) and vector (atom, 3, hidden) messages, as et.messages does."""
    atoms, hidden = normed.shape
    # channel d of head h moves to row d, lane h: see kernels.py
    swap = torch.arange(hidden).view(layer.heads, -1).t().reshape(-1)
    value, keep, turn = torch.arange(3 * hidden).view(layer.heads, 3, -1).unbind(1)
    value, keep, turn = value.t().reshape(-1), keep.reshape(-1), turn.reshape(-1)
    nodes = _project(normed, (layer.q_proj, swap), (layer.k_proj, swap), (layer.v_proj, torch.cat([value, turn])))
    kept = _project(normed, (layer.v_proj, keep))
    arrows = (vectors * kept.unsqueeze(1)).view(atoms, 3 * hidden)
    table = silu(_project(stencil.basis, (layer.dk_proj, swap), (layer.dv_proj, torch.cat([value, keep, turn]))))
    attention, faded, steady = table.split([hidden, hidden, 2 * hidden], dim=-1)
    if layer.smooth:
        steady = steady * stencil.fade
    table = torch.cat([attention, faded * stencil.fade, steady], dim=-1)
    message, turned = PairSum.apply(nodes, arrows, table, stencil.arrays, layer.heads)
    return message[:, swap.argsort()], turned.view(atoms, 3, hidden)


def _project(x: Tensor, *parts) -> Tensor:
    """Several linear layers in one product, each with its output channels picked in the order given."""
    weight = torch.cat([layer.weight[order] for layer, order in parts])
    return linear(x, weight, torch.cat([layer.bias[order] for layer, order in parts]))


class PairSum(torch.autograd.Function):
    """The pair loop of kernels.py as a differentiable function of nodes, arrows and filter table."""

    @staticmethod
    def forward(ctx, nodes, arrows, table, pairs, heads):
        hidden = table.shape[1] // 4
        ctx.sizes = (0,) * heads, (0,) * (hidden // heads)
        ctx.pairs = pairs
        message, turned = nodes.new_zeros(len(nodes), hidden), nodes.new_zeros(len(nodes), 3 * hidden)
        gate, loop_gate = nodes.new_empty(len(pairs[0]), 2, heads), nodes.new_empty(len(nodes), heads)
        ctx.save_for_backward(nodes, arrows, table, gate, loop_gate)
        inputs = [t.detach().numpy() for t in (nodes, arrows, table)]
        kernels.forward(*ctx.sizes, *pairs, *inputs, *(t.numpy() for t in (message, turned, gate, loop_gate)))
        return message, turned

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, message, turned):
        nodes, arrows, table, gate, loop_gate = ctx.saved_tensors
        gradients = [torch.zeros_like(t) for t in (nodes, arrows, table)]
        fields = (nodes, arrows, table, message.contiguous(), turned.contiguous(), gate, loop_gate, *gradients)
        kernels.backward(*ctx.sizes, *ctx.pairs, *(t.detach().numpy() for t in fields))
        return *gradients, None, None

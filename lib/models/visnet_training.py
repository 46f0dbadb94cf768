"""Fast CPU twin of visnet.Edges with gradients: loops over blocks of edges that stay in the cache.

Of an edge only its features are kept for the way back. Filters of the distance are tabulated, as in fused.py. There
are no second derivatives.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from lib.models import visnet_backward as backward
from lib.models import visnet_kernels as kernels
from lib.models.graph import Graph
from lib.models.visnet_fused import at_knots, geometry, joined, swap


PART = 32 * kernels.BLOCK  # edges that are worth a thread


class Edges:
    """Directed edges and all that is done per edge; features have a block of rows more than there are edges."""

    def __init__(self, graph: Graph, expansion, hidden: int, heads: int):
        self.sizes, self.channels = ((0,) * heads, (0,) * (hidden // heads)), (0,) * hidden
        self.order, self.basis = swap(hidden, heads), at_knots(expansion)
        self.ends, self.places, self.unit, self.fade = geometry(graph, expansion)
        self.parts = cut(*self.ends, max(min(torch.get_num_threads(), len(self.unit) // PART), 1))
        self.spaces = torch.zeros(len(self.parts), (backward.PLACES * kernels.BLOCK + 3) * hidden).numpy()

    def surroundings(self, elements: Tensor, distance_proj) -> Tensor:
        """As visnet.Edges.surroundings."""
        basis, fade = self.basis
        return Filtered.apply(distance_proj(basis) * fade, elements, self, "surroundings", len(elements))

    def begin(self, scalars: Tensor, edge_proj) -> Tensor:
        """As visnet.Edges.begin."""
        rows = len(self.unit) + kernels.BLOCK
        return Filtered.apply(edge_proj(self.basis[0]), scalars, self, "edge_features", rows)

    def normalise(self, vectors: Tensor, norm) -> Tensor:
        """As visnet.Edges.normalise."""
        return Normalised.apply(vectors, norm.weight, self)

    def send(self, layer, normed: Tensor, arrows: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As visnet.Edges.send."""
        nodes = linear(normed, *joined(layer.q_proj, layer.k_proj, layer.v_proj, outputs=self.order))
        filters = joined(layer.dk_proj, layer.dv_proj, outputs=self.order)
        turns = joined(layer.s_proj, inputs=self.order)
        ends, bends = arrows.new_empty(0, 1), (arrows.new_empty(0, 1), arrows.new_empty(0))
        if not layer.last:
            ends, bends = linear(arrows, joined(layer.w_trg_proj, layer.w_src_proj)[0]), joined(layer.f_proj)
        weights = *filters, *turns, *bends
        message, turned, features = Messages.apply(nodes, arrows, ends, features, *weights, layer.smooth, self)
        return message[:, self.order.argsort()], turned, features

    def each_part(self, work: Callable) -> None:
        """Call work(number, first edge, centre, neighbour, unit, fade) for every part, each in its own thread."""

        def one(number: int) -> None:
            part = self.parts[number]
            work(number, part.start, *(array[part] for array in (*self.ends, self.unit, self.fade)))

        if len(self.parts) == 1:
            one(0)
            return
        with ThreadPoolExecutor(len(self.parts)) as pool:  # made anew: threads do not survive a fork
            list(pool.map(one, range(len(self.parts))))


def cut(centre: np.ndarray, neighbour: np.ndarray, count: int) -> list[slice]:
    """Cut the edges, sorted by centre, into at most `count` parts, nearly equal, that have no atom in common."""
    before = np.maximum(np.maximum.accumulate(neighbour)[:-1], centre[:-1])
    after = np.minimum(np.minimum.accumulate(neighbour[::-1])[::-1][1:], centre[1:])
    places = np.append(np.flatnonzero(before < after) + 1, len(centre))
    aims = [len(centre) * number // count for number in range(1, count)]
    inner = np.unique(places[np.searchsorted(places, aims)])
    bounds = [0, *inner[inner < len(centre)].tolist(), len(centre)]
    return [slice(start, stop) for start, stop in pairwise(bounds)]


class Filtered(Function):
    """A kernel that multiplies atoms (atom, H) by filters off a table (knot, H), as a function of both: (row, H).

    name: of the kernel and of its backward pass, visnet_kernels.surroundings or edge_features.
    """

    @staticmethod
    def forward(ctx, table, atoms, edges, name, rows):
        ctx.edges, ctx.kernel = edges, name
        ctx.save_for_backward(table, atoms)
        result = atoms.new_zeros(rows, atoms.shape[1])
        getattr(kernels, name)(edges.channels, *edges.ends, *edges.places, *_arrays(table, atoms, result))
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        gradients, edges = [_zeros(t) for t in ctx.saved_tensors], ctx.edges
        fields = _arrays(*ctx.saved_tensors, gradient, *gradients)
        getattr(backward, ctx.kernel)(edges.channels, *edges.ends, *edges.places, *fields, edges.spaces[0])
        return *gradients, None, None, None


class Normalised(Function):
    """visnet_kernels.normalise as a function of the vectors (atom, 3, H) and the weight (H,)."""

    @staticmethod
    def forward(ctx, vectors, weight, edges):
        ctx.edges = edges
        ctx.save_for_backward(vectors, weight)
        arrows = _zeros(vectors)
        flat, result = _rows(vectors, arrows)
        kernels.normalise(*edges.sizes, flat, *_arrays(weight), edges.spaces[0], result)
        return arrows

    @staticmethod
    @once_differentiable
    def backward(ctx, garrows):
        (vectors, weight), edges = ctx.saved_tensors, ctx.edges
        gvectors, gweight = _zeros(vectors), _zeros(weight)
        (v, g, gv), (w, gw) = _rows(vectors, garrows, gvectors), _arrays(weight, gweight)
        backward.normalise(*edges.sizes, v, w, g, edges.spaces[0], gv, gw)
        return gvectors, gweight, None


class Messages(Function):
    """visnet_kernels.pass_messages as a function of what it reads of atoms and edges, and of its weights (out, in).

    Features are not updated where the vectors of all atoms are 0, and with them the angles and their gradients, nor in
    the last layer, which has no ends.
    """

    @staticmethod
    def forward(ctx, nodes, arrows, ends, features, *rest):
        *weights, ctx.smooth, ctx.edges = rest
        ctx.update = len(ends) > 0 and bool(arrows.any())
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(nodes, arrows, ends, features, *weights)
        message, turned = _zeros(nodes[:, : features.shape[1]]), _zeros(arrows)
        new = features.clone() if ctx.update else features
        atoms, own, edges = _rows(nodes, arrows, ends), _inward(weights), ctx.edges
        rows, *sums = _rows(new, message, turned)

        def work(number, start, *part):
            kernels.pass_messages(
                *edges.sizes, *part, ctx.smooth, ctx.update, *atoms, own, edges.spaces[number], rows[start:], *sums
            )

        edges.each_part(work)
        return message, turned, new

    @staticmethod
    @once_differentiable
    def backward(ctx, gmessage, gturned, gnew):
        nodes, arrows, ends, features, *weights = ctx.saved_tensors
        # weights of the filters, turns and bends: where none comes from, they stay without a gradient, lest they decay
        reached = True, gturned is not None, gnew is not None
        gmessage = _zeros(nodes[:, : features.shape[1]]) if gmessage is None else gmessage
        gturned = _zeros(arrows) if gturned is None else gturned
        gnodes, garrows, gends, gfeatures = (_zeros(t) for t in (nodes, arrows, ends, features))
        gweights = [[_zeros(w.t()) for w in weights] for _ in ctx.edges.parts]
        atoms, sums = _rows(nodes, arrows, ends, gmessage, gturned), _rows(gnodes, garrows, gends)
        rows = _rows(features, gfeatures if gnew is None else gnew, gfeatures)
        own, outward, edges = _inward(weights), _arrays(*(w.flatten() for w in weights[::2])), ctx.edges

        def work(number, start, *part):
            backward.pass_messages(
                *edges.sizes, *part, ctx.smooth, ctx.update, *atoms, own, outward, edges.spaces[number],
                *(array[start:] for array in rows), *sums, _arrays(*(g.view(-1) for g in gweights[number])),
            )  # fmt: skip

        edges.each_part(work)
        gweights = (sum(p[1:], p[0]).t() if reached[n // 2] else None for n, p in enumerate(zip(*gweights)))
        return gnodes, garrows, gends if reached[2] else None, gfeatures, *gweights, None, None


def _zeros(tensor: Tensor) -> Tensor:
    """Of the same shape; contiguous, lest a kernel write to a copy."""
    return torch.zeros_like(tensor, memory_format=torch.contiguous_format)


def _arrays(*tensors: Tensor) -> tuple[np.ndarray, ...]:
    return tuple(t.detach().contiguous().numpy() for t in tensors)


def _rows(*tensors: Tensor) -> tuple[np.ndarray, ...]:
    """With one row for every atom or edge."""
    return _arrays(*(t.flatten(1) for t in tensors))


def _inward(weights: list[Tensor]) -> tuple[np.ndarray, ...]:
    """Weights (in, out), flat, and biases."""
    return _arrays(*(w.t().flatten() for w in weights))

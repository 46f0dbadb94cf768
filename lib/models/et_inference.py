"""The Equivariant Transformer without gradients: weights packed once, a large batch cut into blocks for the cache."""

from itertools import chain, pairwise

import numba
import numpy as np
import torch
from torch import Tensor

from lib.models import kernels
from lib.models.fused import Order, Stencil
from lib.models.lanes import OPTIONS


BLOCK = 512  # atoms, or one molecule where that is larger: some 4 MB of intermediates


class Packed:
    """A model's weights as the kernels want them, with the filter table of every layer; good until one changes."""

    def __init__(self, model, stencil: Stencil):
        self.stamp = stamp(model)
        self.layers = [PackedLayer(layer, stencil) for layer in model.attention_layers]
        self.norm = _norm(model.out_norm)


class PackedLayer:
    """Weights (in, out) and biases of one layer, and its filter table (knot, 4 H)."""

    def __init__(self, layer, stencil: Stencil):
        order = Order(layer)
        weight, self.nodes_bias = order.nodes(layer)
        self.nodes = weight.t()
        self.out, self.out_bias = layer.o_proj.weight[:, order.swap].t(), layer.o_proj.bias
        self.mix = layer.vec_proj.weight.t()
        self.norm = _norm(layer.layernorm)
        self.table = order.table(layer, stencil.basis, stencil.fade).numpy()


def stamp(model) -> list[tuple]:
    """Address and number of changes of every weight: differs after any of them was updated or replaced.

    A weight made in inference mode has no such number, and never counts as unchanged.
    """
    tensors = chain(model.parameters(), model.buffers())
    return [(t.data_ptr(), object() if t.is_inference() else t._version) for t in tensors]


def embed(model, packed: Packed, z: Tensor, stencil: Stencil) -> tuple[Tensor, Tensor]:
    """Scalars (atom, H), normalised, and vectors (atom, 3, H), as EquivariantTransformer.forward gives them."""
    hidden, heads = model.config.hidden, model.config.heads
    scalars, vectors = model.embedding(z), torch.zeros(len(z), 3, hidden)
    first, second, sees, loop, row, weight, unit = stencil.arrays
    starts, ends = blocks(first, second, len(z), BLOCK)
    work = Workspace(int(np.diff(starts).max()), int(np.diff(ends).max()), hidden, heads)
    for (start, stop), (low, high) in zip(pairwise(starts), pairwise(ends)):
        pairs = (first[low:high] - start, second[low:high] - start, sees[low:high], loop[start:stop])
        pairs = (*pairs, row[low:high], weight[low:high], unit[low:high])
        work.run(packed, pairs, scalars[start:stop], vectors[start:stop])
    return scalars, vectors


class Workspace:
    """Intermediates of one block, made once for all blocks and layers: fresh memory costs more than what fills it."""

    def __init__(self, atoms: int, pairs: int, hidden: int, heads: int):
        self.sizes = (0,) * heads, (0,) * (hidden // heads)
        self.normed, self.out = torch.empty(atoms, hidden), torch.empty(atoms, 3 * hidden)
        self.atoms, self.sums = torch.empty(atoms, 8 * hidden), torch.empty(atoms, 4 * hidden)
        self.mixed = torch.empty(3 * atoms, 3 * hidden)
        self.gates = np.empty((pairs, 2 * heads), np.float32), np.empty((atoms, heads), np.float32)

    def run(self, packed: Packed, pairs, scalars: Tensor, vectors: Tensor) -> None:
        """All layers on one block, in place: scalars (atom, H) and vectors (atom, 3, H), which begin as zero."""
        count, hidden = scalars.shape
        normed, out, atoms, sums = (t[:count] for t in (self.normed, self.out, self.atoms, self.sums))
        mixed, stacked = self.mixed[: 3 * count], vectors.view(3 * count, hidden)
        message = sums[:, 3 * hidden :]
        x, v, n, o, a, s, m = (
            t.numpy() for t in (scalars, vectors, normed, out, atoms, sums, mixed.view(count, 3, -1))
        )
        channels = (0,) * hidden
        for number, layer in enumerate(packed.layers):
            normalise(channels, x, *layer.norm, n)
            torch.addmm(layer.nodes_bias, normed, layer.nodes, out=atoms[:, 3 * hidden :])
            scale(channels, v, a, s)
            kernels.forward(*self.sizes, *pairs, a, layer.table, s, *self.gates)
            torch.addmm(layer.out_bias, message, layer.out, out=out)
            if number:
                torch.mm(stacked, layer.mix, out=mixed)
            else:
                mixed.zero_()  # no vectors yet
            update(channels, m, o, s, x, v)
        normalise(channels, x, *packed.norm, x)


def _norm(layer: torch.nn.LayerNorm) -> tuple:
    return layer.weight.detach().numpy(), layer.bias.detach().numpy(), np.float32(layer.eps)


@numba.njit(cache=True, nogil=True)
def blocks(first, second, atoms, size):
    """Cut the atoms where no pair crosses, into blocks of about `size`: bounds of atoms and of pairs (block + 1,)."""
    starts, ends = [0], [0]
    p = reach = 0
    for i in range(atoms):
        if i > reach and i - starts[-1] >= size:
            starts.append(i)
            ends.append(p)
        reach = max(reach, i)
        while p < len(first) and first[p] == i:
            reach = max(reach, second[p])
            p += 1
    starts.append(atoms)
    ends.append(len(first))
    return np.array(starts), np.array(ends)


@numba.njit(cache=True, **OPTIONS)
def normalise(channels, x, weight, bias, eps, y):
    """Layer normalisation of x (atom, H) into y."""
    H = len(channels)
    for i in range(len(x)):
        mean = square = np.float32(0)
        for n in range(H):
            mean += x[i, n]
        mean /= np.float32(H)
        for n in range(H):
            square += (x[i, n] - mean) ** 2
        inverse = np.float32(1) / np.sqrt(square / np.float32(H) + eps)
        for n in range(H):
            y[i, n] = (x[i, n] - mean) * inverse * weight[n] + bias[n]


@numba.njit(cache=True, **OPTIONS)
def scale(channels, vectors, atoms, sums):
    """Set the scaled vectors in atoms (atom, 8 H), whose last part is the scale, and begin the sums at zero."""
    H = len(channels)
    for i in range(len(vectors)):
        for k in range(3):
            for n in range(H):
                atoms[i, k * H + n] = vectors[i, k, n] * atoms[i, 7 * H + n]
        sums[i, :] = 0


@numba.njit(cache=True, **OPTIONS)
def update(channels, mixed, out, sums, scalars, vectors):
    """Add a layer's changes to the scalars (atom, H) and vectors (atom, 3, H), as et.Attention.forward does."""
    H = len(channels)
    for i in range(len(scalars)):
        for n in range(H):
            dot = mixed[i, 0, n] * mixed[i, 0, H + n]
            dot += mixed[i, 1, n] * mixed[i, 1, H + n] + mixed[i, 2, n] * mixed[i, 2, H + n]
            scalars[i, n] += dot * out[i, H + n] + out[i, 2 * H + n]
        for k in range(3):
            for n in range(H):
                vectors[i, k, n] += mixed[i, k, 2 * H + n] * out[i, n] + sums[i, k * H + n]

"""Loops over atoms and directed edges, compiled by numba: the forward pass of ViSNet.

`lanes` and `rows` are as in kernels.py: H = len(lanes) * len(rows). Edges are sorted by centre. Arrays are flat or
(atom | edge, ...). The features (edge, H) are all that a layer keeps of an edge; what else it needs lives in a
workspace of BLOCK edges, which stays in the first-level cache. A function that others call is inlined: of a shared one
the linker takes the copy that was loaded first, and copies differ in the order of additions.
"""

import numba
import numpy as np

from lib.models.kernels import ONE, interpolate, sigmoid
from lib.models.lanes import OPTIONS, add_heads, spread


BLOCK = 64  # edges at a time, a multiple of 4
ATOMS = 16  # at a time, a multiple of 4
ONCE, TWICE, THRICE = (0,), (0, 0), (0, 0, 0)
TINY = np.float32(1e-24)  # as in visnet.VectorNorm


@numba.njit(inline="always", **OPTIONS)
def silu(x):
    return x * sigmoid(x)


@numba.njit(cache=True, forceinline=True, **OPTIONS)
def accumulate(lanes, rows, folds, times, x, weight, y):
    """Add x (row, K) @ weight (K, N) to y (row, N), all flat; K = H * len(folds), N = H * len(times).

    row and H are multiples of 4. Four rows and four channels at a time, so that every load serves four products.
    """
    K = len(lanes) * len(rows) * len(folds)
    N = len(lanes) * len(rows) * len(times)
    count = len(x) // K
    for k in range(0, K, 4):
        w = weight[k * N : (k + 4) * N]
        for r in range(0, count, 4):
            a = x[r * K + k : (r + 4) * K]
            a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
            b0, b1, b2, b3 = a[K], a[K + 1], a[K + 2], a[K + 3]
            c0, c1, c2, c3 = a[2 * K], a[2 * K + 1], a[2 * K + 2], a[2 * K + 3]
            d0, d1, d2, d3 = a[3 * K], a[3 * K + 1], a[3 * K + 2], a[3 * K + 3]
            out = y[r * N : (r + 4) * N]
            for n in range(N):
                w0, w1, w2, w3 = w[n], w[N + n], w[2 * N + n], w[3 * N + n]
                s0 = out[n] + a0 * w0 + a1 * w1 + a2 * w2 + a3 * w3
                s1 = out[N + n] + b0 * w0 + b1 * w1 + b2 * w2 + b3 * w3
                s2 = out[2 * N + n] + c0 * w0 + c1 * w1 + c2 * w2 + c3 * w3
                s3 = out[3 * N + n] + d0 * w0 + d1 * w1 + d2 * w2 + d3 * w3
                out[n], out[N + n], out[2 * N + n], out[3 * N + n] = s0, s1, s2, s3


@numba.njit(cache=True, forceinline=True, **OPTIONS)
def multiply(lanes, rows, times, x, weight, bias, y):
    """y (row, N) = x (row, H) @ weight (H, N) + bias, as `accumulate` has them."""
    N = len(lanes) * len(rows) * len(times)
    for r in range(len(y) // N):
        for n in range(N):
            y[r * N + n] = bias[n]
    accumulate(lanes, rows, ONCE, times, x, weight, y)


@numba.njit(cache=True, **OPTIONS)
def surroundings(channels, centre, neighbour, pair, place, weight, table, elements, around):
    """Add to around (atom, H) the elements (atom, H) of all other atoms in sight, times a filter of the distance."""
    H = len(channels)
    f = np.empty(H, np.float32)
    for e in range(len(centre)):
        i, j, p = centre[e], neighbour[e], pair[e]
        if i != j:
            interpolate(table, place[p], weight[p], H, f)
            for n in range(H):
                around[i, n] += elements[j, n] * f[n]


@numba.njit(cache=True, **OPTIONS)
def edge_features(channels, centre, neighbour, pair, place, weight, table, scalars, features):
    """First features (edge, H): the sum of both ends' scalars (atom, H) times a filter of the distance."""
    H = len(channels)
    f = np.empty(H, np.float32)
    for e in range(len(centre)):
        i, j, p = centre[e], neighbour[e], pair[e]
        interpolate(table, place[p], weight[p], H, f)
        for n in range(H):
            features[e, n] = (scalars[i, n] + scalars[j, n]) * f[n]


@numba.njit(inline="always", **OPTIONS)
def attend(lanes, rows, query, key, value, filters, fade, terms, logit, message):
    """Message (H,) of one edge: the neighbour's value times its filter and the attention."""
    H, heads = len(lanes) * len(rows), len(lanes)
    for n in range(H):
        terms[n] = query[n] * key[n] * silu(filters[n])
    add_heads(lanes, rows, terms, logit)
    for h in range(heads):
        logit[h] = silu(logit[h]) * fade
    spread(lanes, rows, logit)
    for n in range(H):
        message[n] = value[n] * silu(filters[H + n]) * logit[n]


@numba.njit(inline="always", **OPTIONS)
def bend(lanes, rows, trg, src, x, y, z, filters, feature):
    """Add to an edge's feature (H,) the product of both ends' vectors less what lies along the edge."""
    H = len(lanes) * len(rows)
    for n in range(H):
        tx, ty, tz = trg[n], trg[2 * H + n], trg[4 * H + n]
        sx, sy, sz = src[n], src[2 * H + n], src[4 * H + n]
        along = (tx * x + ty * y + tz * z) * (sx * x + sy * y + sz * z)
        feature[n] += silu(filters[n]) * (tx * sx + ty * sy + tz * sz - along)


@numba.njit(inline="always", **OPTIONS)
def turn(lanes, rows, arrows, x, y, z, fade, filters, keep, along, turned):
    """Add to turned (3 H,) one edge's vectors: the neighbour's arrows (3 H,) and the direction, each with a weight."""
    H = len(lanes) * len(rows)
    for n in range(H):
        keep[n] = silu(filters[n]) * fade
    for n in range(H):
        along[n] = silu(filters[H + n]) * fade
    for n in range(H):
        turned[n] += arrows[n] * keep[n] + along[n] * x
        turned[H + n] += arrows[H + n] * keep[n] + along[n] * y
        turned[2 * H + n] += arrows[2 * H + n] * keep[n] + along[n] * z


@numba.njit(cache=True, **OPTIONS)
def pass_messages(
    lanes, rows, centre, neighbour, unit, fade, smooth, update, nodes, arrows, ends, weights, space, features,
    message, turned,
):  # fmt: skip
    """Add to message (atom, H) and turned (atom, 3 H) over the neighbours; update features (edge, H) in place.

    nodes (atom, 3 H): query, key, value. arrows (atom, 3 H). ends (atom, 3 * 2 H): see `prepare`; read when `update`
    is set. weights: (in, out) and biases of the filters, of the turns and of the bends. features has rows for a whole
    number of blocks. space: (5 * BLOCK + 2) * H numbers or more.
    """
    H, edges = len(lanes) * len(rows), len(centre)
    size = BLOCK * H
    filter_weight, filter_bias, turn_weight, turn_bias, edge_weight, edge_bias = weights
    block, bends, messages = space[:size], space[size : 2 * size], space[2 * size : 3 * size]
    filters, terms, logit = space[3 * size : 5 * size], space[5 * size : 5 * size + H], space[5 * size + H :]
    for start in range(0, edges, BLOCK):
        count = min(BLOCK, edges - start)
        source = features[start : start + BLOCK].reshape(-1)
        for n in range(BLOCK * H):
            block[n] = source[n]
        multiply(lanes, rows, TWICE, block, filter_weight, filter_bias, filters)
        for b in range(count):
            e = start + b
            i, j = centre[e], neighbour[e]
            m = messages[b * H : (b + 1) * H]
            f = filters[2 * b * H : 2 * (b + 1) * H]
            attend(lanes, rows, nodes[i], nodes[j, H:], nodes[j, 2 * H :], f, fade[e], terms, logit, m)
            for n in range(H):
                message[i, n] += m[n]
        if update:
            multiply(lanes, rows, ONCE, block, edge_weight, edge_bias, bends)
            for b in range(count):
                e = start + b
                i, j = centre[e], neighbour[e]
                x, y, z = unit[e, 0], unit[e, 1], unit[e, 2]
                bend(lanes, rows, ends[i], ends[j, H:], x, y, z, bends[b * H : (b + 1) * H], features[e])
        multiply(lanes, rows, TWICE, messages, turn_weight, turn_bias, filters)
        for b in range(count):
            e = start + b
            i, j = centre[e], neighbour[e]
            x, y, z = unit[e, 0], unit[e, 1], unit[e, 2]
            weight = fade[e] if smooth else ONE
            f = filters[2 * b * H : 2 * (b + 1) * H]
            turn(lanes, rows, arrows[j], x, y, z, weight, f, terms, logit, turned[i])


@numba.njit(inline="always", **OPTIONS)
def lengths(lanes, rows, vector, length):
    """Write the lengths (H,) of one atom's vectors (3 H,); return the smallest and the largest."""
    H = len(lanes) * len(rows)
    for n in range(H):
        x, y, z = vector[n], vector[H + n], vector[2 * H + n]
        length[n] = np.sqrt(max(x * x + y * y + z * z, TINY))
    low = high = length[0]
    for n in range(H):
        low, high = min(low, length[n]), max(high, length[n])
    return low, high


@numba.njit(inline="always", **OPTIONS)
def rescale(lanes, rows, vector, norm, length, arrow):
    """Write one atom's vectors (3 H,), normalised as visnet.VectorNorm does, to arrow (3 H,)."""
    H = len(lanes) * len(rows)
    low, high = lengths(lanes, rows, vector, length)
    width = high - low if high > low else ONE
    for n in range(H):
        length[n] = (length[n] - low) / (width * length[n]) * norm[n]
    for n in range(H):
        arrow[n] = vector[n] * length[n]
        arrow[H + n] = vector[H + n] * length[n]
        arrow[2 * H + n] = vector[2 * H + n] * length[n]


@numba.njit(cache=True, **OPTIONS)
def normalise(lanes, rows, vectors, norm, length, arrows):
    """`rescale` the vectors (atom, 3 H) of every atom; length (H,) is overwritten."""
    for i in range(len(vectors)):
        rescale(lanes, rows, vectors[i], norm, length, arrows[i])


@numba.njit(cache=True, **OPTIONS)
def prepare(
    lanes, rows, update, normed, vectors, norm, node_weight, node_bias, end_weight, end_bias, nodes, arrows, ends
):
    """What the edges read of the atoms: nodes (atom, 3 H), arrows (atom, 3 H) and, if `update`, ends (atom, 3 * 2 H).

    ends: each of x, y, z as the centre's and as the neighbour's end of an edge. All arrays but vectors have rows for
    a whole number of blocks.
    """
    length = np.empty(len(lanes) * len(rows), np.float32)
    for i in range(len(vectors)):
        rescale(lanes, rows, vectors[i], norm, length, arrows[i])
    for start in range(0, len(vectors), ATOMS):
        stop = start + ATOMS
        multiply(
            lanes, rows, THRICE, normed[start:stop].reshape(-1), node_weight, node_bias, nodes[start:stop].reshape(-1)
        )
        if update:
            multiply(
                lanes, rows, TWICE, arrows[start:stop].reshape(-1), end_weight, end_bias, ends[start:stop].reshape(-1)
            )


@numba.njit(cache=True, **OPTIONS)
def change(lanes, rows, arrows, message, turned, mix_weight, mix_bias, out_weight, out_bias, space, scalars, vectors):
    """Update scalars (atom, H) and vectors (atom, 3 H) in place, as visnet.MessagePassing.forward does.

    arrows and message have rows for a whole number of blocks. space: 12 * ATOMS * H numbers or more.
    """
    H = len(lanes) * len(rows)
    mixed, outs = space[: 9 * ATOMS * H], space[9 * ATOMS * H : 12 * ATOMS * H]
    for start in range(0, len(scalars), ATOMS):
        stop = start + ATOMS
        multiply(lanes, rows, THRICE, arrows[start:stop].reshape(-1), mix_weight, mix_bias, mixed)
        multiply(lanes, rows, THRICE, message[start:stop].reshape(-1), out_weight, out_bias, outs)
        for i in range(start, min(stop, len(scalars))):
            m, out = mixed[9 * (i - start) * H :], outs[3 * (i - start) * H :]
            for n in range(H):
                dot = m[n] * m[H + n] + m[3 * H + n] * m[4 * H + n] + m[6 * H + n] * m[7 * H + n]
                scalars[i, n] += dot * out[H + n] + out[2 * H + n]
            for k in range(3):
                for n in range(H):
                    vectors[i, k * H + n] += m[(3 * k + 2) * H + n] * out[n] + turned[i, k * H + n]

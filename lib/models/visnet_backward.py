"""Loops over directed edges, compiled by numba: the backward pass of ViSNet.

Conventions as in visnet_kernels.py. A name with g before it is the gradient of what the name says. What the forward
pass derived from the features is derived again, block by block, so that nothing but the features is kept of an edge.
"""

import numba

from lib.models.kernels import ONE, ZERO, interpolate, sigmoid
from lib.models.lanes import OPTIONS, add_heads, spread
from lib.models.visnet_kernels import BLOCK, ONCE, TINY, TWICE, accumulate, attend, lengths, multiply, silu


PLACES = 8  # of BLOCK rows in the workspace, and three rows


@numba.njit(inline="always", **OPTIONS)
def slope(x):
    """Derivative of silu."""
    s = sigmoid(x)
    return s * (ONE + x * (ONE - s))


@numba.njit(cache=True, forceinline=True, **OPTIONS)
def correlate(lanes, rows, times, x, y, weight, bias):
    """Add the gradient of a linear map with input x (row, H) and gradient y (row, N) of its output, all flat.

    weight (H, N), bias (N,), N = H * len(times); row and H are multiples of 4.
    """
    K = len(lanes) * len(rows)
    N = K * len(times)
    for r in range(0, len(x) // K, 4):
        g = y[r * N : (r + 4) * N]
        for n in range(N):
            bias[n] += g[n] + g[N + n] + g[2 * N + n] + g[3 * N + n]
    for k in range(0, K, 4):
        out = weight[k * N : (k + 4) * N]
        for r in range(0, len(x) // K, 4):
            a = x[r * K + k : (r + 4) * K]
            a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
            b0, b1, b2, b3 = a[K], a[K + 1], a[K + 2], a[K + 3]
            c0, c1, c2, c3 = a[2 * K], a[2 * K + 1], a[2 * K + 2], a[2 * K + 3]
            d0, d1, d2, d3 = a[3 * K], a[3 * K + 1], a[3 * K + 2], a[3 * K + 3]
            g = y[r * N : (r + 4) * N]
            for n in range(N):
                g0, g1, g2, g3 = g[n], g[N + n], g[2 * N + n], g[3 * N + n]
                s0 = out[n] + a0 * g0 + b0 * g1 + c0 * g2 + d0 * g3
                s1 = out[N + n] + a1 * g0 + b1 * g1 + c1 * g2 + d1 * g3
                s2 = out[2 * N + n] + a2 * g0 + b2 * g1 + c2 * g2 + d2 * g3
                s3 = out[3 * N + n] + a3 * g0 + b3 * g1 + c3 * g2 + d3 * g3
                out[n], out[N + n], out[2 * N + n], out[3 * N + n] = s0, s1, s2, s3


@numba.njit(inline="always", **OPTIONS)
def scatter(gtable, row, weight, size, gf):
    """Backward of kernels.interpolate."""
    a, b, c, d = weight[0], weight[1], weight[2], weight[3]
    for n in range(size):
        gtable[row, n] += a * gf[n]
        gtable[row + 1, n] += b * gf[n]
        gtable[row + 2, n] += c * gf[n]
        gtable[row + 3, n] += d * gf[n]


@numba.njit(cache=True, **OPTIONS)
def surroundings(channels, centre, neighbour, pair, place, weight, table, elements, garound, gtable, gelements, f):
    """Backward of visnet_kernels.surroundings; f (H,) is overwritten."""
    H = len(channels)
    for e in range(len(centre)):
        i, j, p = centre[e], neighbour[e], pair[e]
        if i != j:
            interpolate(table, place[p], weight[p], H, f)
            for n in range(H):
                gelements[j, n] += garound[i, n] * f[n]
            for n in range(H):
                f[n] = garound[i, n] * elements[j, n]
            scatter(gtable, place[p], weight[p], H, f)


@numba.njit(cache=True, **OPTIONS)
def edge_features(channels, centre, neighbour, pair, place, weight, table, scalars, gfeatures, gtable, gscalars, f):
    """Backward of visnet_kernels.edge_features; f (H,) is overwritten."""
    H = len(channels)
    for e in range(len(centre)):
        i, j, p = centre[e], neighbour[e], pair[e]
        interpolate(table, place[p], weight[p], H, f)
        for n in range(H):
            f[n] *= gfeatures[e, n]
        for n in range(H):
            gscalars[i, n] += f[n]
        for n in range(H):
            gscalars[j, n] += f[n]
        for n in range(H):
            f[n] = (scalars[i, n] + scalars[j, n]) * gfeatures[e, n]
        scatter(gtable, place[p], weight[p], H, f)


@numba.njit(cache=True, **OPTIONS)
def normalise(lanes, rows, vectors, norm, garrows, space, gvectors, gnorm):
    """Backward of visnet_kernels.normalise: sets gvectors (atom, 3 H), adds to gnorm (H,); space: 2 H numbers."""
    H = len(lanes) * len(rows)
    length, gscale = space[:H], space[H : 2 * H]  # the scale is (length - low) / (width * length)
    for i in range(len(vectors)):
        v, g, gv = vectors[i], garrows[i], gvectors[i]
        low, high = lengths(lanes, rows, v, length)
        width = high - low if high > low else ONE
        for n in range(H):
            gscale[n] = g[n] * v[n] + g[H + n] * v[H + n] + g[2 * H + n] * v[2 * H + n]
        for n in range(H):
            gnorm[n] += gscale[n] * (length[n] - low) / (width * length[n])
        glow, gwidth, lowest, highest = ZERO, ZERO, ZERO, ZERO
        for n in range(H):
            gscale[n] *= norm[n] / (width * length[n])
            glow -= gscale[n]
            gwidth -= gscale[n] * (length[n] - low) / width
            lowest += ONE if length[n] == low else ZERO
            highest += ONE if length[n] == high else ZERO
        if high == low:
            gwidth = ZERO
        glow, ghigh = (glow - gwidth) / lowest, gwidth / highest  # equal lengths share it, as in torch.amin
        for n in range(H):
            x, y, z = v[n], v[H + n], v[2 * H + n]
            along = gscale[n] * low / length[n]
            along += (glow if length[n] == low else ZERO) + (ghigh if length[n] == high else ZERO)
            along = along / length[n] if x * x + y * y + z * z > TINY else ZERO
            scale = (length[n] - low) / (width * length[n]) * norm[n]
            gv[n] = g[n] * scale + x * along
            gv[H + n] = g[H + n] * scale + y * along
            gv[2 * H + n] = g[2 * H + n] * scale + z * along


@numba.njit(inline="always", **OPTIONS)
def unturn(lanes, rows, gturned, arrows, x, y, z, fade, filters, keep, garrows):
    """Backward of visnet_kernels.turn for one edge; the filters (2 H,) become their gradient."""
    H = len(lanes) * len(rows)
    for n in range(H):
        keep[n] = silu(filters[n]) * fade
    for n in range(H):
        garrows[n] += gturned[n] * keep[n]
        garrows[H + n] += gturned[H + n] * keep[n]
        garrows[2 * H + n] += gturned[2 * H + n] * keep[n]
    for n in range(H):
        dot = gturned[n] * arrows[n] + gturned[H + n] * arrows[H + n] + gturned[2 * H + n] * arrows[2 * H + n]
        filters[n] = dot * fade * slope(filters[n])
    for n in range(H):
        along = gturned[n] * x + gturned[H + n] * y + gturned[2 * H + n] * z
        filters[H + n] = along * fade * slope(filters[H + n])


@numba.njit(inline="always", **OPTIONS)
def unattend(lanes, rows, query, key, value, filters, fade, gmessage, terms, logit, rate, gquery, gkey, gvalue):
    """Backward of visnet_kernels.attend for one edge; the filters (2 H,) become their gradient."""
    H, heads = len(lanes) * len(rows), len(lanes)
    for n in range(H):
        terms[n] = query[n] * key[n] * silu(filters[n])
    add_heads(lanes, rows, terms, logit)
    for h in range(heads):
        rate[h] = slope(logit[h]) * fade
        logit[h] = silu(logit[h]) * fade
    spread(lanes, rows, logit)
    for n in range(H):
        terms[n] = gmessage[n] * silu(filters[H + n])
    for n in range(H):
        gvalue[n] += terms[n] * logit[n]
    for n in range(H):
        filters[H + n] = gmessage[n] * value[n] * logit[n] * slope(filters[H + n])
    for n in range(H):
        terms[n] *= value[n]
    add_heads(lanes, rows, terms, logit)
    for h in range(heads):
        logit[h] *= rate[h]
    spread(lanes, rows, logit)
    for n in range(H):
        terms[n] = logit[n] * silu(filters[n])
    for n in range(H):
        gquery[n] += terms[n] * key[n]
    for n in range(H):
        gkey[n] += terms[n] * query[n]
    for n in range(H):
        filters[n] = logit[n] * query[n] * key[n] * slope(filters[n])


@numba.njit(inline="always", **OPTIONS)
def unbend(lanes, rows, trg, src, x, y, z, filters, gfeature, weight, gtrg, gsrc):
    """Backward of visnet_kernels.bend for one edge; the filters (H,) become their gradient."""
    H = len(lanes) * len(rows)
    for n in range(H):
        weight[n] = gfeature[n] * silu(filters[n])
    for n in range(H):
        sx, sy, sz = src[n], src[2 * H + n], src[4 * H + n]
        along = sx * x + sy * y + sz * z
        gtrg[n] += weight[n] * (sx - along * x)
        gtrg[2 * H + n] += weight[n] * (sy - along * y)
        gtrg[4 * H + n] += weight[n] * (sz - along * z)
    for n in range(H):
        tx, ty, tz = trg[n], trg[2 * H + n], trg[4 * H + n]
        along = tx * x + ty * y + tz * z
        gsrc[n] += weight[n] * (tx - along * x)
        gsrc[2 * H + n] += weight[n] * (ty - along * y)
        gsrc[4 * H + n] += weight[n] * (tz - along * z)
    for n in range(H):
        tx, ty, tz = trg[n], trg[2 * H + n], trg[4 * H + n]
        sx, sy, sz = src[n], src[2 * H + n], src[4 * H + n]
        along = (tx * x + ty * y + tz * z) * (sx * x + sy * y + sz * z)
        filters[n] = gfeature[n] * (tx * sx + ty * sy + tz * sz - along) * slope(filters[n])


@numba.njit(cache=True, **OPTIONS)
def pass_messages(
    lanes, rows, centre, neighbour, unit, fade, smooth, update, nodes, arrows, ends, gmessage, gturned, weights, backs,
    space, features, gnew, gfeatures, gnodes, garrows, gends, gweights,
):  # fmt: skip
    """Backward of visnet_kernels.pass_messages: sets gfeatures (edge, H), adds to gnodes, garrows, gends and gweights.

    backs: the weights once more, (out, in). gnew (edge, H): of the updated features. space: zeros, or what another call
    left there, (PLACES * BLOCK + 3) * H numbers or more.
    """
    H, edges = len(lanes) * len(rows), len(centre)
    size = BLOCK * H
    filter_weight, filter_bias, turn_weight, turn_bias, edge_weight, edge_bias = weights
    gfilter_weight, gfilter_bias, gturn_weight, gturn_bias, gedge_weight, gedge_bias = gweights
    block, messages = space[:size], space[size : 2 * size]
    bends, back = space[2 * size : 3 * size], space[3 * size : 4 * size]
    filters, turns, rest = space[4 * size : 6 * size], space[6 * size : 8 * size], space[8 * size :]
    terms, logit, rate = rest[:H], rest[H : 2 * H], rest[2 * H :]
    for start in range(0, edges, BLOCK):
        count = min(BLOCK, edges - start)
        source = features[start : start + BLOCK].reshape(-1)
        for n in range(BLOCK * H):
            block[n] = source[n]
        multiply(lanes, rows, TWICE, block, filter_weight, filter_bias, filters)
        for b in range(count):
            i, j = centre[start + b], neighbour[start + b]
            m, f = messages[b * H : (b + 1) * H], filters[2 * b * H : 2 * (b + 1) * H]
            attend(lanes, rows, nodes[i], nodes[j, H:], nodes[j, 2 * H :], f, fade[start + b], terms, logit, m)
        multiply(lanes, rows, TWICE, messages, turn_weight, turn_bias, turns)
        for b in range(count):
            e = start + b
            i, j = centre[e], neighbour[e]
            x, y, z = unit[e, 0], unit[e, 1], unit[e, 2]
            weight = fade[e] if smooth else ONE
            f = turns[2 * b * H : 2 * (b + 1) * H]
            unturn(lanes, rows, gturned[i], arrows[j], x, y, z, weight, f, terms, garrows[j])
            for n in range(H):
                back[b * H + n] = gmessage[i, n]
        turns[2 * count * H :] = 0
        correlate(lanes, rows, TWICE, messages, turns, gturn_weight, gturn_bias)
        accumulate(lanes, rows, TWICE, ONCE, turns, backs[1], back)
        for b in range(count):
            e = start + b
            i, j = centre[e], neighbour[e]
            g, f = back[b * H : (b + 1) * H], filters[2 * b * H : 2 * (b + 1) * H]
            unattend(
                lanes, rows, nodes[i], nodes[j, H:], nodes[j, 2 * H :], f, fade[e], g, terms, logit, rate,
                gnodes[i], gnodes[j, H:], gnodes[j, 2 * H :],
            )  # fmt: skip
        filters[2 * count * H :] = 0
        back[:] = 0
        correlate(lanes, rows, TWICE, block, filters, gfilter_weight, gfilter_bias)
        accumulate(lanes, rows, TWICE, ONCE, filters, backs[0], back)
        if update:
            multiply(lanes, rows, ONCE, block, edge_weight, edge_bias, bends)
            for b in range(count):
                e = start + b
                i, j = centre[e], neighbour[e]
                x, y, z = unit[e, 0], unit[e, 1], unit[e, 2]
                f = bends[b * H : (b + 1) * H]
                unbend(lanes, rows, ends[i], ends[j, H:], x, y, z, f, gnew[e], terms, gends[i], gends[j, H:])
            bends[count * H :] = 0
            correlate(lanes, rows, ONCE, block, bends, gedge_weight, gedge_bias)
            accumulate(lanes, rows, ONCE, ONCE, bends, backs[2], back)
        for b in range(count):
            for n in range(H):
                gfeatures[start + b, n] = gnew[start + b, n] + back[b * H + n]

"""Loops over atom pairs, compiled by numba: forward and backward of the Equivariant Transformer's messages.

Every function reads sizes off two tuples, `lanes` (one entry per head) and `rows` (one entry per channel of a head):
a tuple's length is known when numba compiles, so that the inner loops become straight vector code. Scalar channels
are ordered row by row, n = row * heads + head, so that all heads of a row fill one vector register.
nodes (atom, 4 H): query, key, value, weight of the direction. arrows (atom, 3 H): vectors x, y, z of the neighbour,
already scaled. A filter (4 H): of the attention, of the value, of the arrows, of the direction.
sees: bit 0 when first sees second, bit 1 when second sees first.
"""

import math

import numba
import numpy as np


OPTIONS = {"fastmath": True, "nogil": True, "error_model": "numpy"}
ONE = np.float32(1)
ZERO = np.float32(0)


@numba.njit(inline="always", **OPTIONS)
def interpolate(table, row, weight, size, f):
    a, b, c, d = weight[0], weight[1], weight[2], weight[3]
    for n in range(size):
        f[n] = a * table[row, n] + b * table[row + 1, n] + c * table[row + 2, n] + d * table[row + 3, n]


@numba.njit(inline="always", **OPTIONS)
def add_heads(lanes, rows, terms, total):
    """Sum (H,) terms over the channels of each head, spread over all of the head's channels: total (H,)."""
    heads = len(lanes)
    for h in range(heads):
        s = terms[h]
        for d in range(1, len(rows)):
            s += terms[d * heads + h]
        total[h] = s


@numba.njit(inline="always", **OPTIONS)
def spread(lanes, rows, total):
    heads = len(lanes)
    for d in range(1, len(rows)):
        for h in range(heads):
            total[d * heads + h] = total[h]


@numba.njit(inline="always", **OPTIONS)
def logits(lanes, rows, q, k, f, terms, logit):
    for n in range(len(lanes) * len(rows)):
        terms[n] = q[n] * k[n] * f[n]
    add_heads(lanes, rows, terms, logit)


@numba.njit(inline="always", **OPTIONS)
def send(lanes, rows, nodes, arrows, i, j, f, x, y, z, terms, logit, gate, message, turned):
    H = len(lanes) * len(rows)
    logits(lanes, rows, nodes[i], nodes[j, H:], f, terms, logit)
    for h in range(len(lanes)):
        gate[h] = ONE / (ONE + math.exp(-logit[h]))
    for h in range(len(lanes)):
        logit[h] *= gate[h]  # now the attention
    spread(lanes, rows, logit)
    for n in range(H):
        message[i, n] += nodes[j, 2 * H + n] * f[H + n] * logit[n]
    for n in range(H):
        turned[i, n] += arrows[j, n] * f[2 * H + n] + nodes[j, 3 * H + n] * f[3 * H + n] * x
    for n in range(H):
        turned[i, H + n] += arrows[j, H + n] * f[2 * H + n] + nodes[j, 3 * H + n] * f[3 * H + n] * y
    for n in range(H):
        turned[i, 2 * H + n] += arrows[j, 2 * H + n] * f[2 * H + n] + nodes[j, 3 * H + n] * f[3 * H + n] * z


@numba.njit(cache=True, **OPTIONS)
def forward(
    lanes, rows, first, second, sees, loop, place, weight, unit, nodes, arrows, table, message, turned, gate, loop_gate
):
    """Add up message (atom, H) and turned (atom, 3 H); keep the gates of the attention for the way back."""
    H = len(lanes) * len(rows)
    f = np.empty(4 * H, np.float32)
    terms = np.empty(H, np.float32)
    logit = np.empty(H, np.float32)
    for p in range(len(first)):
        i, j = first[p], second[p]
        interpolate(table, place[p], weight[p], 4 * H, f)
        x, y, z = unit[p, 0], unit[p, 1], unit[p, 2]
        if sees[p] & 1:
            send(lanes, rows, nodes, arrows, i, j, f, x, y, z, terms, logit, gate[p, 0], message, turned)
        if sees[p] & 2:
            send(lanes, rows, nodes, arrows, j, i, f, -x, -y, -z, terms, logit, gate[p, 1], message, turned)
    for i in range(len(loop)):
        if loop[i]:
            send(
                lanes,
                rows,
                nodes,
                arrows,
                i,
                i,
                table[0],
                ZERO,
                ZERO,
                ZERO,
                terms,
                logit,
                loop_gate[i],
                message,
                turned,
            )


@numba.njit(inline="always", **OPTIONS)
def receive(
    lanes, rows, nodes, arrows, i, j, f, x, y, z, terms, logit, slope, gate, message, turned, gnodes, garrows, gf
):
    H = len(lanes) * len(rows)
    logits(lanes, rows, nodes[i], nodes[j, H:], f, terms, logit)
    for h in range(len(lanes)):
        logit[h] *= gate[h]  # now the attention
    spread(lanes, rows, logit)
    for n in range(H):
        terms[n] = message[i, n] * nodes[j, 2 * H + n]
    for n in range(H):
        gf[H + n] += terms[n] * logit[n]
    for n in range(H):
        terms[n] *= f[H + n]
    add_heads(lanes, rows, terms, slope)
    for h in range(len(lanes)):
        slope[h] *= gate[h] + logit[h] * (ONE - gate[h])
    spread(lanes, rows, slope)
    for n in range(H):
        gnodes[j, 2 * H + n] += message[i, n] * f[H + n] * logit[n]
    for n in range(H):
        gf[n] += slope[n] * nodes[i, n] * nodes[j, H + n]
    for n in range(H):
        gnodes[i, n] += slope[n] * f[n] * nodes[j, H + n]
    for n in range(H):
        gnodes[j, H + n] += slope[n] * f[n] * nodes[i, n]
    for n in range(H):
        gf[2 * H + n] += (
            turned[i, n] * arrows[j, n]
            + turned[i, H + n] * arrows[j, H + n]
            + turned[i, 2 * H + n] * arrows[j, 2 * H + n]
        )
    for n in range(H):
        garrows[j, n] += turned[i, n] * f[2 * H + n]
    for n in range(H):
        garrows[j, H + n] += turned[i, H + n] * f[2 * H + n]
    for n in range(H):
        garrows[j, 2 * H + n] += turned[i, 2 * H + n] * f[2 * H + n]
    for n in range(H):
        terms[n] = turned[i, n] * x + turned[i, H + n] * y + turned[i, 2 * H + n] * z
    for n in range(H):
        gf[3 * H + n] += terms[n] * nodes[j, 3 * H + n]
    for n in range(H):
        gnodes[j, 3 * H + n] += terms[n] * f[3 * H + n]


@numba.njit(cache=True, **OPTIONS)
def backward(
    lanes, rows, first, second, sees, loop, place, weight, unit, nodes, arrows, table, message, turned, gate, loop_gate,
    gnodes, garrows, gtable,
):  # fmt: skip
    """Add up the gradients of nodes, arrows and table, given those of message and turned."""
    H = len(lanes) * len(rows)
    f = np.empty(4 * H, np.float32)
    gf = np.empty(4 * H, np.float32)
    terms = np.empty(H, np.float32)
    logit = np.empty(H, np.float32)
    slope = np.empty(H, np.float32)
    for p in range(len(first)):
        i, j = first[p], second[p]
        interpolate(table, place[p], weight[p], 4 * H, f)
        x, y, z = unit[p, 0], unit[p, 1], unit[p, 2]
        gf[:] = 0
        if sees[p] & 1:
            receive(
                lanes, rows, nodes, arrows, i, j, f, x, y, z, terms, logit, slope, gate[p, 0], message, turned,
                gnodes, garrows, gf,
            )  # fmt: skip
        if sees[p] & 2:
            receive(
                lanes, rows, nodes, arrows, j, i, f, -x, -y, -z, terms, logit, slope, gate[p, 1], message, turned,
                gnodes, garrows, gf,
            )  # fmt: skip
        for k in range(4):
            w, row = weight[p, k], place[p] + k
            for n in range(4 * H):
                gtable[row, n] += w * gf[n]
    for i in range(len(loop)):
        if loop[i]:
            receive(
                lanes, rows, nodes, arrows, i, i, table[0], ZERO, ZERO, ZERO, terms, logit, slope, loop_gate[i],
                message, turned, gnodes, garrows, gtable[0],
            )  # fmt: skip

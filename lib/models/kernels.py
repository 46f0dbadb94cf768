"""Loops over atom pairs, compiled by numba: forward and backward of the Equivariant Transformer's messages.

Every function reads sizes off two tuples, `lanes` (one entry per head) and `rows` (one entry per channel of a head):
a tuple's length is known when numba compiles, so that the inner loops become straight vector code. Each of them
touches few arrays, because what LLVM cannot prove apart it checks before the loop. Scalar channels are ordered as in
lanes.py.
atoms (atom, 7 H or more): vectors x, y, z of the neighbour, already scaled; query, key, value, weight of the
direction. sums (atom, 4 H): vectors x, y, z; message. A filter (4 H): of the attention, of the value, of the vectors,
of the direction. sees: bit 0 when first sees second, bit 1 when second sees first.
"""

import numba
import numpy as np

from lib.models.lanes import OPTIONS, add_heads, copy_heads, spread


__all__ = ["ONE", "OPTIONS", "add_heads", "backward", "forward", "interpolate", "spread"]

ONE = np.float32(1)
ZERO = np.float32(0)
HALF = np.float32(0.5)
# tanh(t) = t P(t²) / Q(t²) to 2e-7, for |t| below the bound, where it is 1 within rounding (Eigen's ptanh)
BOUND = np.float32(7.90531110763549805)
P = (-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08, 1.48572235717979e-05)
P = tuple(np.float32(c) for c in (*P, 6.37261928875436e-04, 4.89352455891786e-03))
Q = (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)
Q = tuple(np.float32(c) for c in Q)


@numba.njit(inline="always", **OPTIONS)
def sigmoid(x):
    """1 / (1 + exp(-x)) in operations that a loop can do on whole vector registers."""
    t = max(min(HALF * x, BOUND), -BOUND)
    s = t * t
    p = (((((P[0] * s + P[1]) * s + P[2]) * s + P[3]) * s + P[4]) * s + P[5]) * s + P[6]
    q = ((Q[0] * s + Q[1]) * s + Q[2]) * s + Q[3]
    return HALF + HALF * t * p / q


@numba.njit(inline="always", **OPTIONS)
def interpolate(table, row, weight, size, f):
    a, b, c, d = weight[0], weight[1], weight[2], weight[3]
    for n in range(size):
        f[n] = a * table[row, n] + b * table[row + 1, n] + c * table[row + 2, n] + d * table[row + 3, n]


@numba.njit(inline="always", **OPTIONS)
def send(lanes, rows, atoms, sums, i, j, f, attention, x, y, z):
    """Add to the sums of i what it gets from j; attention (H,) is the same for all channels of a head."""
    H = len(lanes) * len(rows)
    for n in range(H):
        keep = f[2 * H + n]
        turn = f[3 * H + n] * atoms[j, 6 * H + n]
        sums[i, n] += atoms[j, n] * keep + turn * x
        sums[i, H + n] += atoms[j, H + n] * keep + turn * y
        sums[i, 2 * H + n] += atoms[j, 2 * H + n] * keep + turn * z
        sums[i, 3 * H + n] += atoms[j, 5 * H + n] * f[H + n] * attention[n]


@numba.njit(cache=True, **OPTIONS)
def forward(lanes, rows, first, second, sees, loop, place, weight, unit, atoms, table, sums, gate, loop_gate):
    """Add up sums; keep the gates of the attention, (pair, 2 heads) and (atom, heads), for the way back."""
    heads, H = len(lanes), len(lanes) * len(rows)
    f = np.empty(4 * H, np.float32)
    there, back = np.empty(H, np.float32), np.empty(H, np.float32)
    logit = np.empty(2 * heads, np.float32)
    logit_back = logit[heads:]
    for p in range(len(first)):
        i, j = first[p], second[p]
        interpolate(table, place[p], weight[p], 4 * H, f)
        for n in range(H):
            there[n] = atoms[i, 3 * H + n] * atoms[j, 4 * H + n] * f[n]
            back[n] = atoms[j, 3 * H + n] * atoms[i, 4 * H + n] * f[n]
        add_heads(lanes, rows, there, logit)
        add_heads(lanes, rows, back, logit_back)
        for h in range(2 * heads):  # of both directions at once, to fill a vector register
            gate[p, h] = sigmoid(logit[h])
            logit[h] *= gate[p, h]  # now the attention
        copy_heads(lanes, rows, logit, there)
        copy_heads(lanes, rows, logit_back, back)
        x, y, z = unit[p, 0], unit[p, 1], unit[p, 2]
        if sees[p] & 1:
            send(lanes, rows, atoms, sums, i, j, f, there, x, y, z)
        if sees[p] & 2:
            send(lanes, rows, atoms, sums, j, i, f, back, -x, -y, -z)
    f[:] = table[0]
    for i in range(len(loop)):
        if loop[i]:
            for n in range(H):
                there[n] = atoms[i, 3 * H + n] * atoms[i, 4 * H + n] * f[n]
            add_heads(lanes, rows, there, logit)
            for h in range(heads):
                loop_gate[i, h] = sigmoid(logit[h])
                logit[h] *= loop_gate[i, h]
            copy_heads(lanes, rows, logit, there)
            send(lanes, rows, atoms, sums, i, i, f, there, ZERO, ZERO, ZERO)


@numba.njit(inline="always", **OPTIONS)
def receive(lanes, rows, atoms, sums, gatoms, i, j, f, gf, gate, terms, attention, total, slope, x, y, z):
    """Gradients by way of what i gets from j, given the gradient of the sums."""
    heads, H = len(lanes), len(lanes) * len(rows)
    for n in range(H):
        terms[n] = atoms[i, 3 * H + n] * atoms[j, 4 * H + n] * f[n]
    add_heads(lanes, rows, terms, total)
    for h in range(heads):
        total[h] *= gate[h]  # now the attention
        slope[h] = gate[h] + total[h] * (ONE - gate[h])
    copy_heads(lanes, rows, total, attention)
    for n in range(H):
        value = sums[i, 3 * H + n] * atoms[j, 5 * H + n]
        gf[H + n] += value * attention[n]
        terms[n] = value * f[H + n]
    for n in range(H):
        gatoms[j, 5 * H + n] += sums[i, 3 * H + n] * f[H + n] * attention[n]
    add_heads(lanes, rows, terms, total)
    for h in range(heads):
        total[h] *= slope[h]
    copy_heads(lanes, rows, total, terms)
    for n in range(H):
        gf[n] += terms[n] * atoms[i, 3 * H + n] * atoms[j, 4 * H + n]
        terms[n] *= f[n]
    for n in range(H):
        gatoms[i, 3 * H + n] += terms[n] * atoms[j, 4 * H + n]
    for n in range(H):
        gatoms[j, 4 * H + n] += terms[n] * atoms[i, 3 * H + n]
    for n in range(H):
        a, b, c = sums[i, n], sums[i, H + n], sums[i, 2 * H + n]
        gf[2 * H + n] += a * atoms[j, n] + b * atoms[j, H + n] + c * atoms[j, 2 * H + n]
        gf[3 * H + n] += (a * x + b * y + c * z) * atoms[j, 6 * H + n]
    for n in range(H):
        a, b, c = sums[i, n], sums[i, H + n], sums[i, 2 * H + n]
        gatoms[j, n] += a * f[2 * H + n]
        gatoms[j, H + n] += b * f[2 * H + n]
        gatoms[j, 2 * H + n] += c * f[2 * H + n]
        gatoms[j, 6 * H + n] += (a * x + b * y + c * z) * f[3 * H + n]


@numba.njit(cache=True, **OPTIONS)
def backward(
    lanes, rows, first, second, sees, loop, place, weight, unit, atoms, table, sums, gate, loop_gate, gatoms, gtable
):
    """Add up the gradients of atoms and table, given that of sums."""
    heads, H = len(lanes), len(lanes) * len(rows)
    f, gf = np.empty(4 * H, np.float32), np.empty(4 * H, np.float32)
    terms, attention = np.empty(H, np.float32), np.empty(H, np.float32)
    total, slope = np.empty(heads, np.float32), np.empty(heads, np.float32)
    for p in range(len(first)):
        i, j = first[p], second[p]
        interpolate(table, place[p], weight[p], 4 * H, f)
        x, y, z = unit[p, 0], unit[p, 1], unit[p, 2]
        gf[:] = 0
        if sees[p] & 1:
            receive(
                lanes, rows, atoms, sums, gatoms, i, j, f, gf, gate[p], terms, attention, total, slope, x, y, z
            )  # fmt: skip
        if sees[p] & 2:
            receive(
                lanes, rows, atoms, sums, gatoms, j, i, f, gf, gate[p, heads:], terms, attention, total, slope,
                -x, -y, -z,
            )  # fmt: skip
        a, b, c, d = weight[p, 0], weight[p, 1], weight[p, 2], weight[p, 3]
        row = place[p]
        for n in range(4 * H):
            gtable[row, n] += a * gf[n]
            gtable[row + 1, n] += b * gf[n]
            gtable[row + 2, n] += c * gf[n]
            gtable[row + 3, n] += d * gf[n]
    f[:] = table[0]
    gf[:] = 0
    for i in range(len(loop)):
        if loop[i]:
            receive(
                lanes, rows, atoms, sums, gatoms, i, i, f, gf, loop_gate[i], terms, attention, total, slope,
                ZERO, ZERO, ZERO,
            )  # fmt: skip
    gtable[0] += gf

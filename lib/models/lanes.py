"""Sums and copies over the heads of an atom's channels, which numba by itself compiles one number at a time.

Channels are ordered row by row, n = row * heads + head, so that one row fills one vector register. Both functions read
the number of heads and of rows off the lengths of two tuples.
"""

import numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


OPTIONS = {"fastmath": True, "nogil": True, "error_model": "numpy"}


def _rows(context, builder, kind, array, lanes: int, rows: int) -> list:
    """Addresses of the rows of a float32 array (H,), each as one vector of `lanes` numbers."""
    data = context.make_array(kind)(context, builder, array).data
    starts = [builder.gep(data, [ir.Constant(ir.IntType(64), row * lanes)]) for row in range(rows)]
    return [builder.bitcast(start, ir.VectorType(ir.FloatType(), lanes).as_pointer()) for start in starts]


@intrinsic
def add_heads(typing, lanes, rows, terms, total):
    """Sum terms (H,) over the channels of each head: total (heads,)."""

    def code(context, builder, signature, values):
        shape = len(lanes), len(rows)
        parts = [builder.load(a, align=4) for a in _rows(context, builder, terms, values[2], *shape)]
        while len(parts) > 1:  # pairwise: half of the additions do not wait for each other
            odd = parts[len(parts) // 2 * 2 :]
            parts = [builder.fadd(a, b) for a, b in zip(parts[::2], parts[1::2])] + odd
        builder.store(parts[0], *_rows(context, builder, total, values[3], len(lanes), 1), align=4)
        return context.get_dummy_value()

    return types.void(lanes, rows, terms, total), code


@intrinsic
def copy_heads(typing, lanes, rows, total, spread):
    """Write total (heads,) to all channels of each head: spread (H,)."""

    def code(context, builder, signature, values):
        value = builder.load(*_rows(context, builder, total, values[2], len(lanes), 1), align=4)
        for address in _rows(context, builder, spread, values[3], len(lanes), len(rows)):
            builder.store(value, address, align=4)
        return context.get_dummy_value()

    return types.void(lanes, rows, total, spread), code


@numba.njit(inline="always", **OPTIONS)
def spread(lanes, rows, total):
    """Copy total[:heads] to the other rows of total (H,)."""
    copy_heads(lanes, rows, total, total)

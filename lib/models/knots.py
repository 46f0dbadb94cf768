"""Where a function of the distance is tabulated: densely where the radial basis is narrow, and how it is read off.

The basis is a row of equally wide functions of exp(-5 r / R), so that knots equally spaced in that would be enough for
it; a share that is linear in r serves the cosine cutoff, where the basis is wide.
"""

from functools import cache

import numba
import numpy as np


PER_FUNCTION = 12
LINEAR = 0.15


def count(functions: int) -> int:
    """Number of knots for so many radial functions."""
    return PER_FUNCTION * functions


def place(distance, cutoff: float, knots: int):
    """Position on the row of knots, 0 at distance 0 and knots - 1 at the cutoff; float64."""
    scale = (knots - 1) / (1 - np.exp(-5.0) + LINEAR)
    return scale * (1 - np.exp(-5.0 * distance / cutoff) + LINEAR * distance / cutoff)


@cache
def radii(cutoff: float, knots: int) -> np.ndarray:
    """Distances (knot,) of the knots, float64 Å, by Newton's method: `place` is concave, so it climbs to the root."""
    aim = np.arange(knots)
    r = np.zeros(knots)
    step = 1e-6 * cutoff
    for _ in range(50):
        slope = (place(r + step, cutoff, knots) - place(r - step, cutoff, knots)) / (2 * step)
        r += (aim - place(r, cutoff, knots)) / slope
    return r


_place = numba.njit(inline="always", error_model="numpy")(place)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def locate(distance, cutoff, knots):
    """First row (pair,) and weights (pair, 4) float32 of the cubic through four knots, for distances (pair,)."""
    row, weight = np.empty(len(distance), np.int64), np.empty((len(distance), 4), np.float32)
    for p in range(len(distance)):
        u = _place(np.float64(distance[p]), cutoff, knots)
        row[p] = min(max(int(u), 1), knots - 3) - 1
        a = u - row[p]
        b, c, d = a - 1, a - 2, a - 3
        weight[p, 0], weight[p, 1] = -b * c * d / 6, a * c * d / 2
        weight[p, 2], weight[p, 3] = -a * b * d / 2, a * b * c / 6
    return row, weight

"""Search for atom pairs, compiled by numba: fast CPU twin of what graph.neighbours does in torch."""

import numba
import numpy as np


OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}


@numba.njit(inline="always", **OPTIONS)
def squares(place, i, stop, found):
    """Squared distances of atom i to those after it, up to `stop`; place: (3, atom)."""
    for j in range(i + 1, stop):
        x, y, z = place[0, j] - place[0, i], place[1, j] - place[1, i], place[2, j] - place[2, i]
        found[j] = x * x + y * y + z * z


@numba.njit(forceinline=True, **OPTIONS)
def last_atoms(batch):
    """For each atom (atom,) the index after the last atom of its frame."""
    stop = np.empty(len(batch), np.int64)
    end = len(batch)
    for i in range(len(batch) - 1, -1, -1):
        if i + 1 < len(batch) and batch[i] != batch[i + 1]:
            end = i + 1
        stop[i] = end
    return stop


@numba.njit(**OPTIONS)
def pairs(pos, batch, limit):
    """Pairs of one frame with r² < limit: first and second (pair,), distance (pair,) and unit (pair, 3)."""
    place, stop = pos.T.copy(), last_atoms(batch)
    found = np.empty(len(pos), np.float32)
    total = 0
    for i in range(len(pos)):
        squares(place, i, stop[i], found)
        for j in range(i + 1, stop[i]):
            total += found[j] < limit
    first, second = np.empty(total, np.int64), np.empty(total, np.int64)
    distance, unit = np.empty(total, np.float32), np.empty((total, 3), np.float32)
    p = 0
    for i in range(len(pos)):
        squares(place, i, stop[i], found)
        for j in range(i + 1, stop[i]):
            if found[j] < limit:
                r = np.sqrt(found[j])
                first[p], second[p], distance[p] = i, j, r
                for k in range(3):
                    unit[p, k] = (place[k, j] - place[k, i]) / r
                p += 1
    return first, second, distance, unit

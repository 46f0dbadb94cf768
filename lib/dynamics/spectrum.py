"""What any function of some coordinates could score: indicators of fine cells, and the times behind a VAMP-2 score."""

import numpy as np
from deeptime.decomposition import VAMP
from scipy.optimize import brentq


def leading_functions(train: list[np.ndarray], others: list[np.ndarray], lag: int, functions: int) -> list[np.ndarray]:
    """(frame, functions) of each of `others`: leading singular functions of cell indicators, estimated on `train`.

    train, others: lists of (frame,) ints, the cell of each frame; lag in frames. With many cells and data this is near
    the best that any function of the cells' coordinates can do. Raises ValueError for fewer cells than functions.
    """
    cells = 1 + max(int(t.max()) for t in [*train, *others])
    if cells <= functions:
        raise ValueError(f"{cells} cells, expected more than the {functions} functions that are wanted")
    eye = np.eye(cells)
    model = VAMP(lagtime=lag, dim=functions, scaling=None).fit_fetch([eye[t] for t in train])
    return [np.asarray(model.transform(eye[t]))[:, :functions] for t in others]


def score_of_times(times: np.ndarray, lag: float, factor: float = 1.0) -> float:
    """VAMP-2 at a lag of processes with relaxation times (n,), same unit, each `factor` times as long; 1 included."""
    return float(1 + np.exp(-2 * lag / (factor * np.asarray(times))).sum())


def slowdown(times: np.ndarray, lag: float, score: float) -> float:
    """By which factor all relaxation times must be longer for VAMP-2 to be `score` at this lag.

    Raises ValueError for a score that these processes cannot have.
    """
    if not 1 < score < 1 + len(times):
        raise ValueError(f"{len(times)} processes score between 1 and {1 + len(times)}, not {score}")
    return float(np.exp(brentq(lambda x: score_of_times(times, lag, np.exp(x)) - score, -20, 20)))

"""Tokens on disk, read as what a network takes: their invariants side by side, or the tokens themselves."""

from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from lib.dynamics.buffers import OnDisk
from lib.dynamics.features import token_invariants
from lib.dynamics.mixing import with_positions


LAYOUTS = ("invariants", "tokens", "positions")


@dataclass(frozen=True)
class TokenView(OnDisk):
    """Every `stride`-th frame of tokens (frame, token, 4, H) in an HDF5 file; start and end count the frames kept.

    layout: "invariants" gives (frame, token 2H), "tokens" the tokens, "positions" the tokens with a place for each,
    (frame, token, 4, H + 1), as lib.dynamics.mixing wants them; places: the file with the dataset (frame, token, 3) Å
    of the same name.
    """

    layout: str = "invariants"
    stride: int = 1
    places: Path | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        with h5py.File(self.path) as file:
            tokens, rows, channels = file[self.dataset].shape[1:]
        of_frame = {
            "invariants": (tokens * 2 * channels,),
            "tokens": (tokens, rows, channels),
            "positions": (tokens, rows, channels + 1),
        }
        return (len(self), *of_frame[self.layout])

    def __getitem__(self, index: int | slice) -> np.ndarray:
        rows = range(self.start, self.end)[index]
        if isinstance(rows, int):
            return self._read(range(rows, rows + 1))[0]
        return self._read(rows)

    def _read(self, rows: range) -> np.ndarray:
        if len(rows) == 0:
            return np.empty((0, *self.shape[1:]), np.float32)
        if rows.step < 0:
            raise ValueError(f"step {rows.step}, expected frames in order")
        kept = slice(rows[0] * self.stride, rows[-1] * self.stride + 1, rows.step * self.stride)
        tokens = stored(self.path, self.dataset, kept)
        if self.layout == "invariants":
            return token_invariants(tokens)
        return tokens if self.layout == "tokens" else with_positions(tokens, stored(self.places, self.dataset, kept))


def stored(path: Path, dataset: str, kept: slice) -> np.ndarray:
    """Some frames of a dataset, float32."""
    with h5py.File(path) as file:
        return file[dataset][kept].astype(np.float32, copy=False)


def thinned(trajectory, stride: int):
    """Every `stride`-th frame of an array or of a view, of a view without reading it."""
    if not isinstance(trajectory, TokenView):
        return trajectory[::stride]
    start, end = -(-trajectory.start // stride), -(-trajectory.end // stride)
    return replace(trajectory, start=start, end=end, stride=trajectory.stride * stride)


def stride_at(lag: int, frames_per_lag: int) -> int:
    """The largest stride that divides a lag and leaves at least `frames_per_lag` frames in it; 1 for 0.

    Frames much closer than the lag say nearly the same: thinning them out keeps the lag and saves the time.
    """
    if frames_per_lag < 1:
        return 1
    return next(s for s in range(lag, 0, -1) if lag % s == 0 and (lag // s >= frames_per_lag or s == 1))

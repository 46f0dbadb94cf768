"""The file in which tokens grow: one dataset a trajectory, filled from the front, continued after a kill."""

import json
import os
from pathlib import Path

import h5py
import numpy as np


class TokenFile:
    """`path` while it is being made: it has the ending .part until `finish`.

    shapes: (frame, ...) of the dataset of each trajectory. provenance: all that decides the contents, as JSON. fixed:
    further arrays that describe them. Raises ValueError where a file with another provenance lies there.
    """

    def __init__(self, path: Path, shapes: list[tuple], dtype: np.dtype, provenance: dict, fixed: dict | None = None):
        self.path, self.partial = Path(path), Path(f"{path}.part")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.partial.exists() and not readable(self.partial):
            self.partial.unlink()  # killed before anything was in it
        existing = self.partial.exists()
        if existing:
            refuse_others(self.partial, provenance)
        try:
            self.file = h5py.File(self.partial, "r+" if existing else "w")
        except OSError as error:
            raise ValueError(f"{self.partial} cannot be opened ({error}); does another process write it?") from error
        if not existing:
            self._begin(shapes, dtype, provenance, fixed or {})

    def _begin(self, shapes, dtype, provenance, fixed) -> None:
        for i, shape in enumerate(shapes):
            # contiguous and never filled: a kill finds the same metadata at any time, and a reader may map it
            self.file.create_dataset(name(i), shape, dtype, fillvalue=None)
        for key, values in fixed.items():
            self.file.create_dataset(key, data=values)
        self.file.create_dataset("frames_done", data=np.zeros(len(shapes), np.int64))
        self.file.attrs["provenance"] = json.dumps(provenance, sort_keys=True)  # last: it says that all is there
        self.file.flush()

    def done(self, trajectory: int) -> int:
        """Frames of one trajectory that are there."""
        return int(self.file["frames_done"][trajectory])

    def append(self, trajectory: int, values: np.ndarray) -> None:
        """Write the next frames of one trajectory; ValueError where the type of the file cannot hold them."""
        dataset, start = self.file[name(trajectory)], self.done(trajectory)
        with np.errstate(over="ignore"):
            stored = values.astype(dataset.dtype)
        if not np.isfinite(stored).all():
            largest = float(np.abs(values).max())
            raise ValueError(f"a token of {largest:g} does not fit {dataset.dtype}; choose float32 or another encoder")
        dataset[start : start + len(stored)] = stored
        self.file.flush()  # first the frames, then the count of them
        self.file["frames_done"][trajectory] = start + len(stored)
        self.file.flush()

    def close(self) -> None:
        """Leave the file as it is, to be continued."""
        self.file.close()

    def finish(self) -> None:
        """Give the complete file its name."""
        self.file.close()
        os.replace(self.partial, self.path)


def name(trajectory: int) -> str:
    """Dataset of one trajectory, by its place on the command line."""
    return f"trajectory-{trajectory}"


def readable(path: Path) -> bool:
    """Whether a token file was begun and is not damaged."""
    try:
        with h5py.File(path) as file:
            return "provenance" in file.attrs
    except BlockingIOError:
        return True  # locked by the process that writes it
    except OSError:
        return False


def refuse_others(path: Path, provenance: dict) -> None:
    """Raise ValueError unless the token file at `path` has this provenance."""
    if not readable(path):
        raise ValueError(f"{path} exists and is no token file; choose another name or delete it")
    try:
        with h5py.File(path) as file:
            found = json.loads(file.attrs["provenance"])
    except OSError as error:
        raise ValueError(f"{path} cannot be opened ({error}); does another process write it?") from error
    wanted = json.loads(json.dumps(provenance))
    other = sorted(k for k in found | wanted if found.get(k) != wanted.get(k))
    if other:
        raise ValueError(
            f"{path} exists and was made with another {', '.join(other)}; choose another name or delete it"
        )

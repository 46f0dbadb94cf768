"""The packed file, written piece by piece: arrays grow in plain files, and are then copied into one HDF5 file.

That file is in the format of lib.data.molecules, but not compressed, so that lib.data.mapped maps it where it lies.
Two more datasets say where a molecule comes from: `id`, its number in the source, and `parent`.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from lib.data.sources.records import Records
from lib.fields import UNITS


ROWS = 1 << 20  # copied at once
LINES = 1 << 16  # strings copied at once; always the same, so that the bytes of the file are
COLUMNS = {"sizes": np.int32, "id": np.int64, "parent": np.int64, "split": np.uint8}


class Spool:
    """Collects records in `folder` and makes the packed file of them; on leaving its context the folder is gone."""

    def __init__(self, folder: Path):
        self.folder, self.files, self.kinds = Path(folder), {}, {}
        self.molecules = self.atoms = 0

    def __enter__(self) -> "Spool":
        shutil.rmtree(self.folder, ignore_errors=True)  # of a run that was killed
        self.folder.mkdir(parents=True)
        return self

    def __exit__(self, *_) -> None:
        for file in self.files.values():
            file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, records: Records) -> None:
        """Append; every piece must have the same fields. Raises ValueError for one that has not."""
        arrays = {"z": records.z.astype(np.uint8), "pos": records.pos.astype(np.float32)}
        for name, kind in COLUMNS.items():
            if (values := getattr(records, name)) is not None:
                arrays[name] = values.astype(kind)
        for name, values in records.molecule.items():
            arrays[f"molecule/{name}"] = values.astype(np.float64)  # total energies need more than 24 bits
        for name, values in records.atom.items():
            arrays[f"atom/{name}"] = values.astype(np.float32)
        lines = [] if records.smiles is None else [s.encode() + b"\n" for s in records.smiles]
        arrays["smiles"] = np.frombuffer(b"".join(lines), np.uint8)
        kinds = {name: (values.dtype, values.shape[1:]) for name, values in arrays.items()}
        if self.molecules and kinds != self.kinds:
            raise ValueError(f"a piece has the fields {sorted(kinds)}, those before it {sorted(self.kinds)}")
        self.kinds = kinds
        for name, values in arrays.items():
            if name not in self.files:
                self.files[name] = (self.folder / name.replace("/", ".")).open("w+b")
            self.files[name].write(values.tobytes())
        self.molecules += len(records)
        self.atoms += len(records.z)

    def column(self, name: str) -> np.ndarray | None:
        """(n, ...) all that was added of one field so far; None where the source has none."""
        if name not in self.files:
            return None
        self.files[name].flush()
        kind, shape = self.kinds[name]
        return np.fromfile(self.files[name].name, kind).reshape(-1, *shape)

    def finish(self, path: Path, split: np.ndarray) -> None:
        """Write the packed file; split: (n,) uint8. The file appears under its name when it is complete."""
        partial = path.with_suffix(".tmp")
        try:
            with h5py.File(partial, "w", track_order=True) as file:
                self._copy(file, "z")
                self._copy(file, "pos").attrs["unit"] = "Å"
                sizes = self.column("sizes")
                file["offsets"] = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
                file["split"] = split.astype(np.uint8)
                self._copy_lines(file)
                for name in self.kinds:
                    if name.startswith(("molecule/", "atom/")):
                        self._copy(file, name).attrs["unit"] = UNITS[name.split("/")[1]]
                for name in ("id", "parent"):
                    if name in self.kinds:
                        self._copy(file, name)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)

    def _copy(self, file: h5py.File, name: str) -> h5py.Dataset:
        kind, shape = self.kinds[name]
        length = self.atoms if name in ("z", "pos") or name.startswith("atom/") else self.molecules
        into = file.create_dataset(name, (length, *shape), kind)
        self.files[name].flush()
        with Path(self.files[name].name).open("rb") as source:
            for start in range(0, length, ROWS):
                count = min(ROWS, length - start)
                values = np.fromfile(source, kind, count * int(np.prod(shape, dtype=int)))
                into[start : start + count] = values.reshape(count, *shape)
        return into

    def _copy_lines(self, file: h5py.File) -> None:
        into = file.create_dataset("smiles", (self.molecules,), h5py.string_dtype())
        self.files["smiles"].flush()
        with Path(self.files["smiles"].name).open("rb") as source:
            lines: Callable = lambda count: [source.readline()[:-1] for _ in range(count)]  # noqa: E731
            for start in range(0, self.molecules, LINES):
                count = min(LINES, self.molecules - start)
                into[start : start + count] = lines(count)

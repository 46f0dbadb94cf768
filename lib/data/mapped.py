"""A packed set larger than the memory: its arrays are mapped from the file, and only what is used is read."""

import os
from pathlib import Path

import h5py
import numpy as np

from lib.data.checksum import sha256
from lib.data.molecules import MoleculeSet
from lib.fields import check_angstrom
from lib.paths import SCRATCH


ROWS = 1_000_000  # copied at once


def open_mapped(path: Path, scratch: Path = SCRATCH / "mapped") -> MoleculeSet:
    """A packed file as a set whose arrays lie on the disk; `smiles` is left out (all empty).

    Compressed arrays cannot be mapped: a plain copy of such a file is made once under `scratch`, kept by the file's
    sha256. Raises FileNotFoundError for a missing file and ValueError for a truncated or foreign one, or one that is
    not in Å.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; `dvc pull data` fetches it")
    try:
        with h5py.File(path) as file:
            plain = all(d.id.get_offset() is not None for d in datasets(file).values())
        molecules = _map(path if plain else _plain_copy(path, scratch))
    except (OSError, KeyError) as error:
        raise ValueError(f"{path} is not a complete packed molecule set: {error}") from error
    first = molecules.take(np.arange(min(len(molecules), 100)))
    check_angstrom(first.pos, first.offsets, str(path))
    return molecules


def datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """The numeric arrays of a packed file by name."""
    targets = [f"{group}/{key}" for group in ("molecule", "atom") for key in file.get(group, {})]
    return {name: file[name] for name in ("z", "pos", "offsets", "split", *targets)}


def _map(path: Path) -> MoleculeSet:
    with h5py.File(path) as file:
        places = {name: (d.id.get_offset(), d.dtype, d.shape) for name, d in datasets(file).items()}
    arrays = {
        name: np.memmap(path, dtype, "r", offset, shape) if np.prod(shape) else np.empty(shape, dtype)
        for name, (offset, dtype, shape) in places.items()
    }
    own = {name: arrays.pop(name) for name in ("z", "pos", "offsets", "split")}
    own["offsets"], own["split"] = np.array(own["offsets"]), np.array(own["split"])
    targets = {group: {} for group in ("molecule", "atom")}
    for name, values in arrays.items():
        group, key = name.split("/")
        targets[group][key] = values
    return MoleculeSet(**own, smiles=np.broadcast_to("", len(own["split"])), **targets)


def _plain_copy(path: Path, scratch: Path) -> Path:
    copy = scratch / f"{sha256(path)}.h5"
    if not copy.exists():
        scratch.mkdir(parents=True, exist_ok=True)
        partial = copy.with_suffix(f".{os.getpid()}")
        with h5py.File(path) as source, h5py.File(partial, "w") as target:
            for name, values in datasets(source).items():
                into = target.create_dataset(name, values.shape, values.dtype)
                for start in range(0, len(values), ROWS):
                    into[start : start + ROWS] = values[start : start + ROWS]
        os.replace(partial, copy)
    return copy

"""A set of molecules or conformers, packed flat in one HDF5 file: no padding, no Python object per molecule."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from lib.fields import UNITS, check_angstrom


SPLITS = ("train", "validation", "test")


@dataclass
class MoleculeSet:
    """`n` molecules with `N` atoms in all; molecule i owns the atoms offsets[i] to offsets[i + 1].

    z: (N,) uint8 atomic numbers. pos: (N, 3) float32 Å. offsets: (n + 1,) int64. split: (n,) uint8, index into
    SPLITS, by parent molecule: conformers of one molecule never lie on both sides. smiles: (n,) str.
    molecule: per-molecule targets (n, ...). atom: per-atom targets (N, ...). Units of both: lib.fields.UNITS.
    """

    z: np.ndarray
    pos: np.ndarray
    offsets: np.ndarray
    split: np.ndarray
    smiles: np.ndarray
    molecule: dict[str, np.ndarray] = field(default_factory=dict)
    atom: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __post_init__(self):
        n, atoms = len(self), len(self.z)
        for name, size, expected in (
            ("pos", len(self.pos), atoms),
            ("offsets[-1]", self.offsets[-1], atoms),
            ("split", len(self.split), n),
            ("smiles", len(self.smiles), n),
            *((f"molecule/{k}", len(v), n) for k, v in self.molecule.items()),
            *((f"atom/{k}", len(v), atoms) for k, v in self.atom.items()),
        ):
            if size != expected:
                raise ValueError(f"{name} has {size} entries, expected {expected}: the packed set is damaged")
        if not set(self.molecule) | set(self.atom) <= set(UNITS):
            unknown = sorted((set(self.molecule) | set(self.atom)) - set(UNITS))
            raise ValueError(f"targets {unknown} have no unit in lib/fields.py")

    @property
    def sizes(self) -> np.ndarray:
        """(n,) atoms per molecule."""
        return np.diff(self.offsets)

    def of_split(self, name: str) -> np.ndarray:
        """Indices of the molecules of one split; raises ValueError for an unknown name."""
        if name not in SPLITS:
            raise ValueError(f"unknown split {name!r}; a set has {SPLITS}")
        return np.flatnonzero(self.split == SPLITS.index(name))

    def take(self, molecules: np.ndarray) -> "MoleculeSet":
        """The given molecules, in the given order, as a set of their own."""
        sizes = self.sizes[molecules]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        atoms = np.arange(offsets[-1]) + np.repeat(self.offsets[molecules] - offsets[:-1], sizes)
        return MoleculeSet(
            self.z[atoms],
            self.pos[atoms],
            offsets,
            self.split[molecules],
            self.smiles[molecules],
            {k: v[molecules] for k, v in self.molecule.items()},
            {k: v[atoms] for k, v in self.atom.items()},
        )


def concatenate(sets: list[MoleculeSet]) -> MoleculeSet:
    """One set from several that hold the same targets."""
    joined = lambda pick: np.concatenate([pick(s) for s in sets])  # noqa: E731
    sizes = joined(lambda s: s.sizes)
    return MoleculeSet(
        joined(lambda s: s.z),
        joined(lambda s: s.pos),
        np.concatenate([[0], np.cumsum(sizes)]),
        joined(lambda s: s.split),
        joined(lambda s: s.smiles),
        {k: joined(lambda s, k=k: s.molecule[k]) for k in sets[0].molecule},
        {k: joined(lambda s, k=k: s.atom[k]) for k in sets[0].atom},
    )


def save(molecules: MoleculeSet, path: Path) -> None:
    """Write the packed file, atomically: an interrupted save leaves nothing behind under the final name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    pack = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
    with h5py.File(partial, "w", track_order=True) as file:
        file.create_dataset("z", data=molecules.z.astype(np.uint8), **pack)
        file.create_dataset("pos", data=molecules.pos.astype(np.float32), **pack).attrs["unit"] = "Å"
        file.create_dataset("offsets", data=molecules.offsets.astype(np.int64), **pack)
        file.create_dataset("split", data=molecules.split.astype(np.uint8), **pack)
        file.create_dataset("smiles", data=molecules.smiles.astype(object), dtype=h5py.string_dtype())
        for group in ("molecule", "atom"):
            for name, values in getattr(molecules, group).items():
                entry = file.create_dataset(f"{group}/{name}", data=values.astype(np.float32), **pack)
                entry.attrs["unit"] = UNITS[name]
    os.replace(partial, path)


def load(path: Path) -> MoleculeSet:
    """Read a packed file; one clear sentence for a missing, truncated or foreign one, or one that is not in Å."""
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} is missing; `dvc pull data` fetches it")
    try:
        with h5py.File(path) as file:
            molecules = MoleculeSet(
                *(file[name][:] for name in ("z", "pos", "offsets", "split")),
                file["smiles"].asstr()[:].astype(str),
                {k: v[:] for k, v in file.get("molecule", {}).items()},
                {k: v[:] for k, v in file.get("atom", {}).items()},
            )
    except (OSError, KeyError) as error:
        raise ValueError(f"{path} is not a complete packed molecule set: {error}") from error
    first = molecules.take(np.arange(min(len(molecules), 100)))
    check_angstrom(first.pos, first.offsets, str(path))
    return molecules

"""A set of protein domains, packed flat in one HDF5 file: atoms within residues within domains, no padding."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import h5py
import numpy as np

from lib.fields import check_angstrom


SPLITS = ("training", "validation", "test_fold", "test_superfamily", "test_family")
TESTS = SPLITS[2:]
AMINO_ACIDS = "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL"
HEAVY_ATOMS = (
    "N CA C O CB CG CG1 CG2 OG OG1 SG CD CD1 CD2 ND1 ND2 OD1 OD2 SD CE CE1 CE2 CE3 NE NE1 NE2 OE1 OE2 CH2 NH1 NH2 OH "
    "CZ CZ2 CZ3 NZ OXT"
)
RESIDUES, ATOMS = tuple(AMINO_ACIDS.split()), tuple(HEAVY_ATOMS.split())
UNKNOWN = len(RESIDUES)  # any other residue
OTHER = len(ATOMS)  # hydrogens, and whatever else


@dataclass
class DomainSet:
    """`n` domains with `R` residues and `A` atoms in all.

    name: (n,) str. label: (n,) int64, index into classes (class,) str. split: (n,) uint8, index into SPLITS.
    group: (n,) str, whatever tells relatives apart; may be empty. residues: (n + 1,) int64, domain i owns the
    residues residues[i] to residues[i + 1]. kind: (R,) uint8, index into RESIDUES or UNKNOWN. segment: (R,) int32;
    neighbours in the sequence have the same one, a new chain or a gap begins another. atoms: (R + 1,) int64, residue r
    owns the atoms atoms[r] to atoms[r + 1]. z: (A,) uint8. atom: (A,) uint8, index into ATOMS or OTHER.
    pos: (A, 3) float32 Å.
    """

    name: np.ndarray
    label: np.ndarray
    classes: np.ndarray
    split: np.ndarray
    group: np.ndarray
    residues: np.ndarray
    kind: np.ndarray
    segment: np.ndarray
    atoms: np.ndarray
    z: np.ndarray
    atom: np.ndarray
    pos: np.ndarray

    def __len__(self) -> int:
        return len(self.residues) - 1

    def __post_init__(self):
        n, size, count = len(self), len(self.atoms) - 1, len(self.z)
        for field, found, expected in (
            *((k, len(getattr(self, k)), n) for k in ("name", "label", "split", "group")),
            *((k, len(getattr(self, k)), size) for k in ("kind", "segment")),
            *((k, len(getattr(self, k)), count) for k in ("atom", "pos")),
            ("residues[-1]", self.residues[-1], size),
            ("atoms[-1]", self.atoms[-1], count),
        ):
            if found != expected:
                raise ValueError(f"{field} is {found}, expected {expected}: the packed set is damaged")
        if n and not 0 <= self.label.min() <= self.label.max() < len(self.classes):
            raise ValueError(
                f"labels reach {self.label.min()} to {self.label.max()}, expected 0 to {len(self.classes) - 1}"
            )

    def of_split(self, split: str) -> np.ndarray:
        """Indices of the domains of one split; ValueError for an unknown one."""
        if split not in SPLITS:
            raise ValueError(f"unknown split {split!r}; a set of domains has {SPLITS}")
        return np.flatnonzero(self.split == SPLITS.index(split))

    @property
    def domain(self) -> np.ndarray:
        """(R,) domain of each residue."""
        return np.repeat(np.arange(len(self)), np.diff(self.residues))

    @property
    def residue(self) -> np.ndarray:
        """(A,) residue of each atom."""
        return np.repeat(np.arange(len(self.kind)), np.diff(self.atoms))

    def named(self, *names: str) -> np.ndarray:
        """(R, name, 3) Å of these atoms of each residue, NaN where one is missing."""
        found = np.full((len(self.kind), len(names), 3), np.nan, np.float32)
        owner = self.residue
        for column, name in enumerate(names):
            rows = np.flatnonzero(self.atom == ATOMS.index(name))
            found[owner[rows], column] = self.pos[rows]
        return found

    def take(self, domains: np.ndarray) -> "DomainSet":
        """The given domains, in the given order, as a set of their own."""
        counts = np.diff(self.residues)[domains]
        rows = ranges(self.residues[domains], counts)
        sizes = np.diff(self.atoms)[rows]
        columns = ranges(self.atoms[rows], sizes)
        at = lambda index, *names: [getattr(self, k)[index] for k in names]  # noqa: E731
        return DomainSet(
            *at(domains, "name", "label"),
            self.classes,
            *at(domains, "split", "group"),
            np.concatenate([[0], np.cumsum(counts)]),
            *at(rows, "kind", "segment"),
            np.concatenate([[0], np.cumsum(sizes)]),
            *at(columns, "z", "atom", "pos"),
        )


def ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """starts[0], starts[0] + 1, ... (counts[0] of them), then those from starts[1], and so on: one flat int64 array."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)


def atom_codes(names: Iterable[str]) -> np.ndarray:
    """(A,) uint8 index into ATOMS of PDB atom names, OTHER for those that are not there."""
    index = {name: i for i, name in enumerate(ATOMS)}
    return np.array([index.get(name, OTHER) for name in names], np.uint8)


def join(parts: list[DomainSet]) -> DomainSet:
    """One set from several with the same classes; segments are numbered anew."""
    if any(list(p.classes) != list(parts[0].classes) for p in parts):
        raise ValueError("the sets to join have different classes, expected the same")
    ends = lambda k: np.concatenate([[0], np.cumsum(np.concatenate([np.diff(getattr(p, k)) for p in parts]))])  # noqa: E731
    flat = {k: np.concatenate([getattr(p, k) for p in parts]) for k in ("name", "label", "split", "group", "kind")}
    flat |= {k: np.concatenate([getattr(p, k) for p in parts]) for k in ("z", "atom", "pos")}
    begins = [np.diff(p.segment, prepend=-1) != 0 for p in parts]
    segment = (np.cumsum(np.concatenate(begins)) - 1).astype(np.int32)
    return DomainSet(classes=parts[0].classes, residues=ends("residues"), atoms=ends("atoms"), segment=segment, **flat)


def save(domains: DomainSet, path: Path) -> None:
    """Write the packed file atomically; positions keep 0.001 Å, so that they pack."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    with h5py.File(partial, "w", track_order=True) as file:
        for entry in fields(DomainSet):
            values = getattr(domains, entry.name)
            if values.dtype.kind in "UO":
                file.create_dataset(entry.name, data=values.astype(object), dtype=h5py.string_dtype())
                continue
            values = np.round(values, 3) if entry.name == "pos" else values
            file.create_dataset(entry.name, data=values, compression="gzip", compression_opts=4, shuffle=True)
        file["pos"].attrs["unit"] = "Å"
    os.replace(partial, path)


def load(path: Path) -> DomainSet:
    """Read a packed file; one clear sentence for a missing or damaged one, or one that is not in Å."""
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} is missing, expected a packed set of domains; `dvc pull data` fetches ours")
    try:
        with h5py.File(path) as file:
            read = {entry.name: file[entry.name] for entry in fields(DomainSet)}
            read = {k: v.asstr()[:].astype(str) if v.dtype.kind == "O" else v[:] for k, v in read.items()}
    except (OSError, KeyError) as error:
        raise ValueError(f"{path} is not a complete packed set of domains: {error}") from error
    domains = DomainSet(**read)
    first = domains.take(np.arange(min(len(domains), 50)))
    check_angstrom(first.pos, first.atoms[first.residues], str(path))
    return domains

"""What a parser gives for one piece of a source: molecules laid flat, and those that could not be read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np

from lib.data.sources.text import OK, REASONS


@dataclass
class Records:
    """`n` molecules with `N` atoms, of `seen` in the piece.

    z: (N,) uint8. pos: (N, 3) float32 Å. sizes: (n,) int64. position: (n,) int64, place of each molecule among all that
    were seen. failed: (place, name, reason) of those left out. smiles: (n,) str. id: (n,) int64, the source's own
    number. parent: (n,) int64, equal for conformers of one molecule. split: (n,) uint8 where the source ships one.
    molecule, atom: targets (n, ...), (N, ...).
    """

    z: np.ndarray
    pos: np.ndarray
    sizes: np.ndarray
    position: np.ndarray
    seen: int
    failed: list[tuple[int, str, str]] = field(default_factory=list)
    smiles: np.ndarray | None = None
    id: np.ndarray | None = None
    parent: np.ndarray | None = None
    split: np.ndarray | None = None
    molecule: dict[str, np.ndarray] = field(default_factory=dict)
    atom: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sizes)

    def keep(self, good: np.ndarray) -> "Records":
        """Those for which `good` (n,) bool holds; the others are the caller's to report."""
        atoms = np.repeat(good, self.sizes)
        own = {
            name: values[good]
            for name in ("sizes", "position", "smiles", "id", "parent", "split")
            if (values := getattr(self, name)) is not None
        }
        return replace(
            self,
            z=self.z[atoms],
            pos=self.pos[atoms],
            molecule={k: v[good] for k, v in self.molecule.items()},
            atom={k: v[atoms] for k, v in self.atom.items()},
            **own,
        )

    def refuse(self, bad: np.ndarray, reason: str, name: Callable[[int], str]) -> "Records":
        """Without those for which `bad` (n,) bool holds; they are failures named by name(row)."""
        if not bad.any():
            return self
        lost = [(int(self.position[row]), name(row), reason) for row in np.flatnonzero(bad)]
        return replace(self.keep(~bad), failed=sorted(self.failed + lost))

    def after(self, seen: int) -> "Records":
        """The same, with places counted from the first molecule of the source, of which `seen` came before."""
        failed = [(at + seen, name, reason) for at, name, reason in self.failed]
        return replace(self, position=self.position + seen, failed=failed)

    def head(self, count: int) -> "Records":
        """The first `count` of those seen."""
        failed = [entry for entry in self.failed if entry[0] < count]
        return replace(self.keep(self.position < count), seen=min(self.seen, count), failed=failed)


def failures(status: np.ndarray, name: Callable[[int], str]) -> list[tuple[int, str, str]]:
    """(place, name, reason) of every molecule whose status is not OK."""
    return [(int(k), name(k), REASONS[status[k]]) for k in np.flatnonzero(status != OK)]


def fingerprint(names: Iterable[str]) -> np.ndarray:
    """(n,) int64, the first 64 bits of each name's BLAKE2b: equal for equal names, on every machine."""
    digests = b"".join(blake2b(name.encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, "<i8").astype(np.int64)

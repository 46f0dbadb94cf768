"""Windows of proteins as molecules of their own: residues in a row, or in contact, with caps where the chain is cut.

What is cut off becomes a hydrogen along the bond that was cut. Of the residue before a window CA, C and O stay, of the
one after it N and CA, so that a window is closed by an acetyl and an N-methyl group (the caps of Zhang and Zhang, J.
Chem. Phys. 119, 3599, 2003), as alanine dipeptide is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import covalent_radii
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from lib.data import domains as packed
from lib.data.domains import ATOMS, DomainSet
from lib.data.molecules import SPLITS, MoleculeSet, concatenate
from lib.data.sources.structures import LETTERS
from lib.make.chunks import pack


BONDED = 1.25  # atoms are bonded within this many sums of their covalent radii
TO_HYDROGEN = {6: 1.09, 7: 1.01, 8: 0.96, 16: 1.34}  # Å, from an atom to the hydrogen that stands for what was cut off
BEFORE, AFTER = ("CA", "C", "O"), ("N", "CA")  # what stays of the residues before and after a window
APART = 4  # residues along the chain from which on two residues are in contact, not in a row; caps then never meet
RUN = 3  # residues in a row that a window may not share with a judged peptide


@dataclass(frozen=True)
class Kinds:
    """Which windows are cut. rows: lengths of runs of residues. contacts: pairs of residues nearest in space."""

    rows: tuple[int, ...] = (1, 2, 3)
    contacts: bool = True


def bonds(z: np.ndarray, pos: np.ndarray) -> np.ndarray:
    """(bond, 2) int64 pairs of bonded atoms, by distance; a hydrogen is bonded to the nearest heavy atom alone.

    z: (atom,). pos: (atom, 3) Å.
    """
    z, radius = np.asarray(z, np.int64), covalent_radii[z]
    pairs = cKDTree(pos).query_pairs(2 * BONDED * radius.max(), output_type="ndarray")
    apart = np.linalg.norm(pos[pairs[:, 0]] - pos[pairs[:, 1]], axis=1)
    near = (apart < BONDED * radius[pairs].sum(1)) & (z[pairs] > 1).all(1)
    heavy, light = np.flatnonzero(z > 1), np.flatnonzero(z == 1)
    owner = heavy[cKDTree(pos[heavy]).query(pos[light])[1]]
    return np.concatenate([pairs[near], np.stack([owner, light], 1)])


def pieces(residues: Sequence[int]) -> list[list[int]]:
    """Runs of neighbours in the chain, from ascending residues."""
    cuts = np.flatnonzero(np.diff(residues) > 1) + 1
    return [part.tolist() for part in np.split(np.asarray(residues), cuts)]


def cut(domain: DomainSet, residues: Sequence[int], bonded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """z (atom,) uint8 and pos (atom, 3) float32 Å of a window: kept atoms in their order, then the new hydrogens.

    domain: one domain without gaps. residues: ascending, from 0. bonded: of `bonds`.
    """
    kept = np.isin(domain.residue, residues)
    for piece in pieces(residues):
        for neighbour, names in ((piece[0] - 1, BEFORE), (piece[-1] + 1, AFTER)):
            kept |= (domain.residue == neighbour) & np.isin(domain.atom, [ATOMS.index(name) for name in names])
    ends = np.concatenate([bonded, bonded[:, ::-1]])
    stays, goes = ends[kept[ends[:, 0]] & ~kept[ends[:, 1]]].T
    along = domain.pos[goes].astype(np.float64) - domain.pos[stays]
    length = np.array([TO_HYDROGEN[int(number)] for number in domain.z[stays]])
    new = domain.pos[stays] + along * (length / np.linalg.norm(along, axis=1))[:, None]
    z = np.concatenate([domain.z[kept], np.ones(len(new), np.uint8)])
    return z, np.concatenate([domain.pos[kept], new.astype(np.float32)])


def choices(domain: DomainSet, kinds: Kinds) -> list[tuple[int, ...]]:
    """Residues of every window of one domain: runs of each length, then each residue and the one nearest in space."""
    count = len(domain.kind)
    found = [tuple(range(i, i + length)) for length in kinds.rows for i in range(count - length + 1)]
    if kinds.contacts:
        heavy, starts = domain.z > 1, domain.residue
        apart = cdist(domain.pos[heavy], domain.pos[heavy])
        begin = np.unique(starts[heavy], return_index=True)[1]
        apart = np.minimum.reduceat(np.minimum.reduceat(apart, begin, axis=0), begin, axis=1)
        apart[np.abs(np.subtract.outer(np.arange(count), np.arange(count))) < APART] = np.inf
        pairs = {tuple(sorted((i, int(row.argmin())))) for i, row in enumerate(apart) if np.isfinite(row).any()}
        found += sorted(pairs)
    return found


def barred(letters: str, judged: Iterable[str]) -> bool:
    """Whether a chain of residues is a judged peptide, or holds a run of RUN residues of one."""
    return any(letters == other or any(run in letters for run in runs(other)) for other in judged)


def runs(letters: str) -> list[str]:
    """All runs of RUN residues of a sequence."""
    return [letters[i : i + RUN] for i in range(len(letters) - RUN + 1)]


def letters_of(domain: DomainSet, residues: Iterable[int]) -> str:
    """One-letter codes; ValueError for a residue that is none of the twenty."""
    kinds, known = [int(domain.kind[i]) for i in residues], "".join(LETTERS)
    if max(kinds, default=0) >= len(known):
        raise ValueError(f"{domain.name[0]} holds a residue that is none of the twenty, expected standard amino acids")
    return "".join(known[k] for k in kinds)


def windows(domain: DomainSet, kinds: Kinds, judged: Iterable[str]) -> list[dict]:
    """Records {smiles, z, pos, molecule, atom} (lib.make.chunks.pack) of all windows of one domain that are not barred.

    smiles: the domain's name, which all its windows share. Raises ValueError for a domain with a gap in its chain or
    without hydrogens.
    """
    if len(np.unique(domain.segment)) > 1:
        raise ValueError(f"{domain.name[0]} is {len(np.unique(domain.segment))} pieces of chain, expected one")
    if not (domain.z == 1).any():
        raise ValueError(f"{domain.name[0]} has no hydrogens, expected all atoms")
    bonded, found = bonds(domain.z, domain.pos), []
    for residues in choices(domain, kinds):
        if not any(barred(letters_of(domain, piece), judged) for piece in pieces(residues)):
            z, pos = cut(domain, residues, bonded)
            found.append({"smiles": str(domain.name[0]), "z": z, "pos": pos, "molecule": {}, "atom": {}})
    return found


def window_set(
    domains: DomainSet, kinds: Kinds, judged: Iterable[str], counts: dict[str, int], seed: int
) -> MoleculeSet:
    """Windows of many domains, `counts` of each split drawn at random, or all where there are no more.

    Training domains train, those of all three tests test. counts: split of molecules -> windows. Raises ValueError
    for a split without any window.
    """
    random, parts, judged = np.random.default_rng(seed), [], tuple(judged)
    for number, split in enumerate(SPLITS):
        of = {"train": packed.SPLITS[:1], "validation": packed.SPLITS[1:2], "test": packed.TESTS}[split]
        members = np.concatenate([domains.of_split(name) for name in of])
        records = [record for i in members for record in windows(domains.take([i]), kinds, judged)]
        if not records:
            raise ValueError(f"{len(members)} domains for {split} give no window, expected at least one")
        chosen = np.sort(random.permutation(len(records))[: counts[split]])
        parts.append(pack([records[i] for i in chosen]))
        parts[-1].split[:] = number
    return concatenate(parts)

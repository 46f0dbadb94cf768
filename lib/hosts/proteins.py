"""A batch of protein domains as the hosts take it: residues one after another, on one device."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from lib.data.domains import ATOMS, RESIDUES, DomainSet
from lib.hosts import geometry


KINDS = 26  # rows for residue types: 20 amino acids, the unknown one, and room as in the published network
MASKED = KINDS - 1  # what an augmented residue type is replaced by
PLACES = ("N", "CA", "C", "CB", "γ", "δ", "ε", "ζ")  # atoms that torsions hang on
SIDE = {  # the atoms at γ, δ, ε, ζ that define χ1 to χ4 (IUPAC)
    "ARG": "CG CD NE CZ",
    "ASN": "CG OD1",
    "ASP": "CG OD1",
    "CYS": "SG",
    "GLN": "CG CD OE1",
    "GLU": "CG CD OE1",
    "HIS": "CG ND1",
    "ILE": "CG1 CD1",
    "LEU": "CG CD1",
    "LYS": "CG CD CE NZ",
    "MET": "CG SD CE",
    "PHE": "CG CD1",
    "PRO": "CG CD",
    "SER": "OG",
    "THR": "OG1",
    "TRP": "CG CD1",
    "TYR": "CG CD1",
    "VAL": "CG1",
}


@dataclass(frozen=True)
class Proteins:
    """kind: (R,) long. atoms: (R, 8, 3) Å at PLACES, NaN where missing. segment, domain: (R,) long, ascending.
    label: (n,) long. tokens: (R, T) of an encoder, or None.
    """

    kind: Tensor
    atoms: Tensor
    segment: Tensor
    domain: Tensor
    label: Tensor
    tokens: Tensor | None = None

    def __len__(self) -> int:
        return len(self.label)

    @property
    def ca(self) -> Tensor:
        """(R, 3) Å."""
        return self.atoms[:, 1]

    @property
    def backbone(self) -> Tensor:
        """(R, 3, 3) Å of N, CA, C; a missing N or C stands at the CA, which leaves its direction undefined (0)."""
        three = self.atoms[:, :3]
        return torch.where(three.isnan(), three[:, 1:2], three)

    def side_torsions(self) -> Tensor:
        """(R, 8): sines and cosines of χ1 to χ4, 0 where there is none."""
        at = [self.atoms[:, PLACES.index(name)] for name in ("N", "CA", "CB", "γ", "δ", "ε", "ζ")]
        angles = torch.stack([geometry.torsion(*at[i : i + 4]) for i in range(4)], -1)
        return geometry.sines(angles, torch.ones_like(angles, dtype=torch.bool))

    def pick(self, domains: Tensor) -> "Proteins":
        """The given domains, in the given order."""
        counts = torch.bincount(self.domain, minlength=len(self))
        starts = counts.cumsum(0) - counts
        own = counts[domains]
        ends = own.cumsum(0)
        domain = torch.repeat_interleave(torch.arange(len(domains), device=own.device), own)
        rows = torch.arange(len(domain), device=own.device) - (ends - own)[domain] + starts[domains][domain]
        # the same segment may follow itself when a domain is drawn twice: number the stretches anew
        jump = torch.ones(len(rows), dtype=torch.long, device=own.device)
        same = (self.segment[rows[1:]] == self.segment[rows[:-1]]) & (domain[1:] == domain[:-1])
        jump[1:][same] = 0
        tokens = None if self.tokens is None else self.tokens[rows]
        return Proteins(self.kind[rows], self.atoms[rows], jump.cumsum(0) - 1, domain, self.label[domains], tokens)

    def to(self, device: str) -> "Proteins":
        """On another device."""
        return replace(self, **{k: v.to(device) for k, v in vars(self).items() if v is not None})


def proteins(domains: DomainSet, tokens: np.ndarray | None = None) -> Proteins:
    """All domains of a packed set; tokens: (R, T). ValueError where they do not fit, or for a residue without CA."""
    if tokens is not None and len(tokens) != len(domains.kind):
        raise ValueError(f"{len(tokens)} tokens for {len(domains.kind)} residues, expected one for each")
    every = domains.named(*ATOMS)
    found = np.full((len(domains.kind), len(PLACES), 3), np.nan, np.float32)
    found[:, :4] = every[:, [ATOMS.index(name) for name in ("N", "CA", "C", "CB")]]
    for name, atoms in SIDE.items():
        rows = np.flatnonzero(domains.kind == RESIDUES.index(name))
        for place, atom in enumerate(atoms.split(), 4):
            found[rows, place] = every[rows, ATOMS.index(atom)]
    if np.isnan(found[:, 1]).any():
        raise ValueError(f"{int(np.isnan(found[:, 1, 0]).sum())} residues have no CA, expected one in each")
    domain = domains.domain
    change = np.ones(len(domain), np.int64)
    change[1:] = (np.diff(domains.segment) != 0) | (np.diff(domain) != 0)
    return Proteins(
        torch.from_numpy(domains.kind.astype(np.int64)),
        torch.from_numpy(found),
        torch.from_numpy(np.cumsum(change) - 1),
        torch.from_numpy(domain.astype(np.int64)),
        torch.from_numpy(domains.label.astype(np.int64)),
        None if tokens is None else torch.from_numpy(tokens.astype(np.float32)),
    )


@dataclass(frozen=True)
class Augmentation:
    """What ProNet's recipe changes in a training batch. Coordinates change before any angle is computed from them, each
    atom by noise of its own.

    mask: share of residue types hidden. noise: Å, standard deviation, clipped at three of them. deform: largest
    relative stretch along each axis of the coordinate system, one for the batch.
    """

    mask: float = 0.0
    noise: float = 0.0
    deform: float = 0.0

    def __call__(self, batch: Proteins, generator: torch.Generator) -> Proteins:
        draw = {"generator": generator, "device": batch.kind.device}
        kind, atoms = batch.kind, batch.atoms
        if self.mask:
            kind = torch.where(torch.rand(kind.shape, **draw) < self.mask, MASKED, kind)
        if self.noise:
            atoms = atoms + self.noise * torch.randn(atoms.shape, **draw).clamp(-3, 3)
        if self.deform:
            atoms = atoms * (1 + self.deform * (2 * torch.rand(3, **draw) - 1))
        return replace(batch, kind=kind, atoms=atoms)

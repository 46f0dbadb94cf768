"""Protein domains with SCOP labels from outside: a folder with labels.tsv and one PDB file for each domain."""

from dataclasses import dataclass
from pathlib import Path

import mdtraj
import numpy as np
import pandas as pd

from lib.data.frames import ANGSTROM_PER_NM
from lib.fields import check_angstrom


CLASSES = {  # SCOP2 number, and the letter that begins a label of SCOP 1.75
    "1000000": "all α",
    "1000001": "all β",
    "1000002": "α/β",
    "1000003": "α+β",
    "1000004": "small",
    "a": "all α",
    "b": "all β",
    "c": "α/β",
    "d": "α+β",
    "g": "small",
}
COLUMNS = ("name", "scop2_class", "scop2_fold", "scop2_superfamily", "scop175_fold", "n_res")
MISSING = "-"


@dataclass(frozen=True)
class Domain:
    """One domain. fold and superfamily are None where no label is known; frame: mdtraj's (nm), heavy atoms."""

    name: str
    kind: str  # of CLASSES' values
    fold: str | None
    superfamily: str | None
    frame: mdtraj.Trajectory

    @property
    def z(self) -> np.ndarray:
        """(atom,) int64 atomic numbers."""
        return np.array([atom.element.number for atom in self.frame.topology.atoms])

    @property
    def pos(self) -> np.ndarray:
        """(atom, 3) float32 Å."""
        return self.frame.xyz[0] * ANGSTROM_PER_NM

    @property
    def residue(self) -> np.ndarray:
        """(atom,) int64 residue of each atom, from 0."""
        return np.array([atom.residue.index for atom in self.frame.topology.atoms])

    @property
    def group(self) -> str:
        """Superfamily, or what is known instead: domains of one group may be relatives."""
        return self.superfamily or self.fold or self.name


def read_domains(folder: Path, largest: int, limit: int | None = None) -> list[Domain]:
    """Domains of at most `largest` residues with a class in CLASSES, in the order of labels.tsv, the first `limit`.

    The class is SCOP2's where there is one, else that of SCOP 1.75. Raises FileNotFoundError for a missing file and
    ValueError for a table without the columns needed or coordinates that are not in Å.
    """
    table = pd.read_csv(Path(folder) / "labels.tsv", sep="\t", dtype=str)
    if lacking := [name for name in COLUMNS if name not in table]:
        raise ValueError(f"{folder}/labels.tsv lacks the columns {lacking}, expected {list(COLUMNS)}")
    found = []
    for row in table.itertuples():
        kind = CLASSES.get(row.scop2_class) or CLASSES.get(row.scop175_fold[0])
        if kind is None or int(row.n_res) > largest:
            continue
        frame = mdtraj.load(str(Path(folder) / "pdb" / f"{row.name}.pdb"))
        known = lambda label: None if label == MISSING else label  # noqa: E731
        fold = known(row.scop2_fold) or known(row.scop175_fold)
        found.append(Domain(row.name, kind, fold, known(row.scop2_superfamily), frame))
        check_angstrom(found[-1].pos, np.array([0, frame.n_atoms]), row.name)
        if len(found) == limit:
            break
    return found

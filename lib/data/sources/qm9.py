"""QM9: 130,831 molecules of up to nine heavy atoms, twelve targets, and the free atoms to subtract from energies."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from lib.data.composition import atomref, of_atoms
from lib.data.sources import sdf
from lib.data.sources.labels import table
from lib.data.sources.pack import Report, pack
from lib.data.sources.records import Records
from lib.data.sources.source import File, Source
from lib.data.sources.stream import member
from lib.data.sources.units import HARTREE, energies_of
from lib.data.splits import usual


ALL, UNCHARACTERISED = 133_885, 3_054  # molecules; those whose geometry fell apart, left out as by everybody
TRAIN, VALIDATION, SEED = 110_000, 10_000, 0
TARGETS = {  # ours -> column of gdb9.sdf.csv, factor to our unit, place among PyG's targets
    "mu_D": ("mu", 1.0, 0),
    "alpha_a03": ("alpha", 1.0, 1),
    "homo_eV": ("homo", HARTREE, 2),
    "lumo_eV": ("lumo", HARTREE, 3),
    "gap_eV": ("gap", HARTREE, 4),
    "r2_a02": ("r2", 1.0, 5),
    "zpve_eV": ("zpve", HARTREE, 6),
    "u0_eV": ("u0", HARTREE, 7),
    "u_eV": ("u298", HARTREE, 8),
    "h_eV": ("h298", HARTREE, 9),
    "g_eV": ("g298", HARTREE, 10),
    "cv_cal_mol_K": ("cv", 1.0, 11),
}
MOLECULES = File("qm9.zip", "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/molnet_publish/qm9.zip")
EXCLUDED = File("uncharacterized.txt", "https://ndownloader.figshare.com/files/3195404")


def parse(data: bytes) -> Records:
    """Records of gdb9.sdf with SMILES by RDKit; the number in the title, gdb_17, is the id."""
    records = sdf.parse(data)
    written = sdf.blocks(data)
    own = [written[k] for k in records.position]
    titles = [re.match(rb"gdb_(\d+)\s*$", block.split(b"\n", 1)[0]) for block in own]
    ids = np.array([int(title[1]) if title else -1 for title in titles], np.int64)
    records = replace(records, id=ids, smiles=np.array([smiles(block.decode()) for block in own], object))
    return records.refuse(ids < 0, "title is not gdb_<number>", lambda k: own[k][:20].decode(errors="replace"))


def smiles(block: str) -> str:
    """Canonical SMILES of a molecule, without hydrogens; unsanitised for the few whose valences RDKit doubts."""
    from rdkit import Chem, RDLogger

    RDLogger.DisableLog("rdApp.*")
    molecule = Chem.MolFromMolBlock(block, sanitize=True, removeHs=True)
    if molecule is None:
        molecule = Chem.MolFromMolBlock(block, sanitize=False, removeHs=False)
        return Chem.MolToSmiles(Chem.RemoveHs(molecule, sanitize=False)) if molecule else ""
    return Chem.MolToSmiles(molecule)


def uncharacterised(path: Path) -> np.ndarray:
    """Numbers of the molecules to leave out; ValueError unless the list has as many as it should."""
    lines = path.read_text().split("\n")[9:-2]  # between nine lines of heading and one below
    found = np.array([int(word[0]) for line in lines if (word := line.split())], np.int64)
    if len(np.unique(found)) != UNCHARACTERISED:
        raise ValueError(f"{path} lists {len(found)} molecules, expected {UNCHARACTERISED}")
    return found


def less_atoms(z: np.ndarray, offsets: np.ndarray, values: np.ndarray, target: str) -> np.ndarray:
    """(n,) float64: `values` of a target less those of the free atoms; z: (N,), offsets: (n + 1,).

    Total energies need float64; subtract before anything makes float32 of them, whose step is 1 meV at 10,000 eV.
    """
    return np.asarray(values, float) - of_atoms(z, offsets, atomref(target))


def make(raw: Path, target: Path, limit: int | None, workers: int | None) -> dict[Path, Report]:
    """Pack the characterised molecules, with all twelve targets."""
    columns = ["mol_id", *(column for column, _, _ in TARGETS.values())]
    labels = pd.concat(table(raw / MOLECULES.name, "gdb9.sdf.csv", columns))
    leave = uncharacterised(raw / EXCLUDED.name)

    def join(records: Records) -> Records:
        if len(records) and records.position[-1] >= len(labels):
            raise ValueError(f"{MOLECULES.name}: gdb9.sdf.csv has {len(labels)} rows, fewer than there are molecules")
        rows = labels.iloc[records.position]
        if (other := np.flatnonzero(rows["mol_id"].to_numpy() != np.array([f"gdb_{i}" for i in records.id]))).size:
            place = records.position[other[0]]
            raise ValueError(
                f"{MOLECULES.name}: molecule {place} is gdb_{records.id[other[0]]}, but row {place} of gdb9.sdf.csv is "
                f"{rows['mol_id'].iloc[other[0]]}: the labels belong to other molecules"
            )
        values = {name: rows[column].to_numpy(float) * factor for name, (column, factor, _) in TARGETS.items()}
        records = replace(records, molecule=values)
        finite = np.isfinite(np.stack(list(values.values()))).all(0)
        number = [f"gdb_{i}" for i in records.id]
        records = records.refuse(~finite, "a target is not a finite number", number.__getitem__)
        return records.keep(~np.isin(records.id, leave))

    report = pack(
        sdf.pieces(member(raw / MOLECULES.name, "gdb9.sdf")),
        parse,
        target / "molecules.h5",
        finish=join,
        split=lambda spool: usual(spool.molecules, TRAIN, VALIDATION, TRAIN + VALIDATION, SEED),
        expected=ALL,
        limit=limit,
        workers=workers,
        check=energies_of("u0_eV", target.name),
    )
    return {target: report}


SOURCE = Source(
    name="qm9",
    what="QM9: B3LYP/6-31G(2df,p) minima of molecules of up to nine C, N, O, F, with twelve targets",
    files=(MOLECULES, EXCLUDED),
    records=ALL,
    about="130,831 molecules",
    download="not known",
    disk="1 (estimated)",
    licence="CC0",
    citation="Ramakrishnan et al., Sci. Data 1, 140022 (2014), doi 10.6084/m9.figshare.978904",
    settings={
        "split": "110,000 / 10,000 / the rest at random; lib.data.splits.by_scaffold makes the scaffold split",
        "seed": SEED,
        "excluded": "3,054 molecules that the authors call uncharacterised",
        "energies": "float64; lib.data.sources.qm9.less_atoms subtracts the free atoms",
    },
    make=make,
)

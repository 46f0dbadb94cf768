"""OrbNet Denali: 2.3 million conformers, many away from equilibrium, with DFT and GFN1-xTB energies; no forces."""

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lib.data.sources import xyz
from lib.data.sources.labels import table
from lib.data.sources.pack import Report, pack
from lib.data.sources.records import Records, fingerprint
from lib.data.sources.source import File, Source
from lib.data.sources.tars import Members, tar_members
from lib.data.sources.units import HARTREE, energies_of
from lib.data.splits import by_parent


HELD_OUT = (0.02, 0.02)  # of the parent molecules
SEED = 0
COLUMNS = ["sample_id", "mol_id", "charge", "dft_energy", "xtb1_energy"]
PARENT = re.compile(r"CHEMBL\d+")
GEOMETRIES = File(
    "denali_xyz_files.tar.gz",
    "https://figshare.com/ndownloader/files/28672287",
    md5="edd35e95a018836d5f174a3431a751df",
)
LABELS = File(
    "denali_labels.tar.gz", "https://figshare.com/ndownloader/files/28672248", md5="bc9b612f75373d1d191ce7493eebfd62"
)


def parse(files: Members) -> Records:
    """One conformer a file, xyz_files/<mol_id>/<sample_id>.xyz; the comment line is charge and multiplicity."""
    records, comments = xyz.parse(files.data, files.starts, files.stops, files.names.__getitem__)
    names = [PurePosixPath(files.names[k]).stem for k in records.position]
    charge = np.array([_charge(line) for line in comments], float)
    records = replace(records, id=fingerprint(names), molecule={"charge_e": charge})
    return records.refuse(~np.isfinite(charge), "no charge in the comment line", names.__getitem__)


def _charge(comment: bytes) -> float:
    try:
        return int(comment.split()[0])
    except (IndexError, ValueError):
        return np.nan


def parents(molecules: list[str]) -> np.ndarray:
    """(m,) int64 parent of each mol_id: those that share a ChEMBL compound have one parent, so do chains of them.

    Protomers, tautomers, salts and complexes of a compound are entries of their own and name it; a mol_id that names
    none is its own parent.
    """
    named = [PARENT.findall(molecule) or [molecule] for molecule in molecules]
    codes = {}
    pairs = [(k, codes.setdefault(name, len(codes))) for k, names in enumerate(named) for name in names]
    rows, columns = np.array(pairs).T
    size = len(molecules) + len(codes)
    links = coo_array((np.ones(len(rows)), (rows, columns + len(molecules))), shape=(size, size))
    return connected_components(links, directed=False)[1][: len(molecules)].astype(np.int64)


class Labels:
    """Energies, charge and parent by sample, from denali_labels.csv; sorted arrays, 40 bytes a conformer.

    A sample that is listed twice with the same energy counts once. Raises ValueError for one with two energies.
    """

    def __init__(self, path: Path):
        codes, parts = {}, []
        for rows in table(path, "denali_labels.csv", COLUMNS):
            own = np.array([codes.setdefault(name, len(codes)) for name in rows["mol_id"].astype(str)], np.int64)
            values = rows[["charge", "dft_energy", "xtb1_energy"]].to_numpy(float)
            parts.append((fingerprint(rows["sample_id"].astype(str)), own, values))
        key, code, values = (np.concatenate(columns) for columns in zip(*parts))
        order = np.argsort(key, kind="stable")
        key, code, values = key[order], code[order], values[order]
        again = np.flatnonzero(key[1:] == key[:-1]) + 1
        if (other := again[(np.abs(values[again] - values[again - 1]) > 1e-6).any(1)]).size:
            raise ValueError(
                f"{path}: {len(other)} samples have two labels, e.g. {values[other[0] - 1 : other[0] + 1]}"
            )
        first = np.delete(np.arange(len(key)), again)
        self.key, self.values, self.parent = key[first], values[first], parents(list(codes))[code[first]]

    def join(self, records: Records) -> Records:
        """Records with energies in eV, charge and parent; those without a label are refused."""
        row = np.minimum(np.searchsorted(self.key, records.id), len(self.key) - 1)
        known = self.key[row] == records.id
        charge, dft, xtb = self.values[row].T
        same = charge == records.molecule["charge_e"]
        energies = {"energy_eV": dft * HARTREE, "xtb1_energy_eV": xtb * HARTREE}
        records = replace(records, parent=self.parent[row], molecule=records.molecule | energies)
        finite = np.isfinite(dft) & np.isfinite(xtb)
        reasons = {
            "not in denali_labels.csv": ~known,
            "charge differs between geometry and label": known & ~same,
            "energy is not a finite number": known & same & ~finite,
        }
        where, who = records.position, records.id
        lost = [(int(where[k]), f"id {who[k]}", why) for why, bad in reasons.items() for k in np.flatnonzero(bad)]
        return replace(records.keep(known & same & finite), failed=sorted(records.failed + lost))


def make(raw: Path, target: Path, limit: int | None, workers: int | None) -> dict[Path, Report]:
    """Pack all conformers in the order of the archive."""
    labels = Labels(raw / LABELS.name)

    report = pack(
        tar_members(raw / GEOMETRIES.name, lambda name: name.endswith(".xyz")),
        parse,
        target / "molecules.h5",
        finish=labels.join,
        split=lambda spool: by_parent(spool.column("parent"), HELD_OUT, SEED),
        limit=limit,
        workers=workers,
        check=energies_of("energy_eV", target.name),
    )
    return {target: report}


SOURCE = Source(
    name="denali",
    what="OrbNet Denali: conformers, protomers, salts and complexes, ωB97X-D3/def2-TZVP and GFN1-xTB energies",
    files=(GEOMETRIES, LABELS),
    records=2_344_594,
    about="2,344,594 labelled conformers",
    download="not known",
    disk="4 + download (estimated)",
    licence="CC BY 4.0",
    citation="Christensen et al., J. Chem. Phys. 155, 204103 (2021), doi 10.6084/m9.figshare.14883867",
    settings={
        "split": "2 % of the parent molecules each for validation and test; all conformers, protomers and complexes of "
        "a ChEMBL compound are on one side",
        "seed": SEED,
    },
    make=make,
)

"""xxMD: non-adiabatic dynamics of four molecules, at two levels of theory, split by time as shipped."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from lib.data.sources import xyz
from lib.data.sources.pack import Report, pack
from lib.data.sources.records import Records
from lib.data.sources.source import File, Source
from lib.data.sources.stream import member
from lib.data.sources.xyz import Layout, layout, values


BASE = "https://raw.githubusercontent.com/zpengmei/xxMD/main"
MOLECULES = {"azo": "azobenzene", "dia": "dithiophene", "mal": "malonaldehyde", "sti": "stilbene"}
STATES = ("s0", "s1", "s2")
SHIPPED = ("train", "val", "test")  # in the order of lib.data.molecules.SPLITS
FILES = (
    *(File(f"{m}_dft.zip", f"{BASE}/xxMD-DFT/{m}/{m}.zip") for m in MOLECULES),
    *(File(f"{m}_cas_{s}.zip", f"{BASE}/xxMD-CASSCF/{m}/{s}/{m}_{s}.zip") for m in MOLECULES for s in STATES),
)
Work = tuple[bytes, np.ndarray, np.ndarray, Layout, int]


def frames(archive: Path, molecule: str, ending: str, limit: int | None) -> Iterator[Work]:
    """Pieces of the three shipped files, in the order of time within each; ValueError for one that is not there.

    limit: only so many frames of each file.
    """
    for side, name in enumerate(SHIPPED):
        by, left = None, limit
        for data, starts, stops in xyz.pieces(member(archive, f"{molecule}_{name}_{ending}.xyz")):
            if by is None:
                by = layout(data[starts[0] : stops[0]].split(b"\n", 2)[1], ("forces",))
            yield data, starts[:left], stops[:left], by, side
            if limit is not None and (left := max(left - len(starts), 0)) == 0:
                break
        if by is None:
            raise ValueError(f"{archive}: {molecule}_{name}_{ending}.xyz holds no frame")


def parse(work: Work) -> Records:
    """Frames with energy in eV and forces in eV/Å, the units of ASE in which the files are written."""
    data, starts, stops, by, side = work
    label = lambda _: SHIPPED[side]  # noqa: E731
    records, comments = xyz.parse(data, starts, stops, label, by)
    energy = np.array([_energy(line) for line in comments], float)
    records = replace(
        records,
        split=np.full(len(records), side, np.uint8),
        molecule={"energy_eV": energy},
        atom={"forces_eV_A": records.atom["forces"]},
    )
    return records.refuse(~np.isfinite(energy), "no finite energy in the comment line", label)


def _energy(comment: bytes) -> float:
    try:
        return float(values(comment).get("energy", "nan"))
    except ValueError:
        return np.nan


class SameMolecule:
    """Refuses frames that are not of the molecule that the first one is of; a file of one trajectory has none."""

    def __init__(self):
        self.z = None

    def __call__(self, records: Records) -> Records:
        if not len(records):
            return records
        if self.z is None:
            self.z = records.z[: records.sizes[0]].copy()
        ends = np.cumsum(records.sizes)
        parts = zip(ends - records.sizes, ends)
        other = np.array([not np.array_equal(records.z[a:b], self.z) for a, b in parts])
        return records.refuse(other, "another molecule than the first frame", lambda _: "other atoms")


def make(raw: Path, target: Path, limit: int | None, workers: int | None) -> dict[Path, Report]:
    """Pack every molecule at every level into a folder of its own, <molecule>-dft or <molecule>-cas-<state>."""
    reports = {}
    for file in FILES:
        molecule, _, state = file.name.removesuffix(".zip").partition("_")
        ending = "uks" if state == "dft" else state.removeprefix("cas_")
        place = target / f"{molecule}-{state.replace('_', '-')}"
        work = frames(raw / file.name, molecule, ending, limit)
        reports[place] = pack(work, parse, place / "molecules.h5", finish=SameMolecule(), workers=workers)
    return reports


SOURCE = Source(
    name="xxmd",
    what="xxMD: non-adiabatic dynamics of azobenzene, dithiophene, malonaldehyde and stilbene, energies and forces by "
    "M06/6-31G and by state-averaged CASSCF (S0, S1, S2)",
    files=FILES,
    records=None,
    about="4 molecules, 16 files",
    download="not known",
    disk="2 (estimated)",
    licence="not stated in what we have read; doi 10.5281/zenodo.10393859",
    citation="Pengmei et al., Sci. Data 11 (2024), arXiv 2308.11155",
    settings={"split": "as shipped, by time, unchanged", "energy_eV": "as in the files; not shifted"},
    make=make,
)

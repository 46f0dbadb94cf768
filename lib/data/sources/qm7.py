"""QM7: relaxed molecules of up to seven heavy atoms with atomisation energies, to check against; from qml's tests."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from lib.data.sources import xyz
from lib.data.sources.pack import Report, pack
from lib.data.sources.records import Records
from lib.data.sources.source import File, Source
from lib.data.sources.stream import member
from lib.data.sources.tars import Members, tar_members
from lib.data.sources.units import KCAL
from lib.data.splits import by_parent


ALL, SEED, HELD_OUT = 7_101, 0, (0.1, 0.1)
PER_ATOM = (-8.0, -2.0)  # eV of binding an atom has in molecules like these
COMMIT = "8bb833cdbbe69405384d6796920c5418dc53b6ba"
ARCHIVE = File("qml.tar.gz", f"https://github.com/qmlcode/qml/archive/{COMMIT}.tar.gz")
TABLE = "hof_qm7.txt"


def parse(files: Members) -> Records:
    """One molecule a file, tests/qm7/0001.xyz; the number is the id."""
    records, _ = xyz.parse(files.data, files.starts, files.stops, files.names.__getitem__)
    return replace(records, id=np.array([number(files.names[k]) for k in records.position], np.int64))


def number(name: str) -> int:
    """17 for some/folder/0017.xyz; ValueError for a name that is no number."""
    stem = PurePosixPath(name).stem
    if not stem.isdigit():
        raise ValueError(f"{name!r} is in the folder of molecules, expected files named by numbers")
    return int(stem)


def energies(path: Path) -> dict[int, tuple[float, float]]:
    """{number: PBE0 and DFTB3 atomisation energy in kcal/mol}; ValueError for a line that is not that."""
    found = {}
    for line in b"".join(member(path, TABLE)).decode().splitlines():
        try:
            name, pbe0, dftb3 = line.split()
            found[number(name)] = (float(pbe0), float(dftb3))
        except ValueError as error:
            raise ValueError(f"{path}: {TABLE} has the line {line!r}, expected a name and two energies") from error
    return found


def make(raw: Path, target: Path, limit: int | None, workers: int | None) -> dict[Path, Report]:
    """Pack the molecules in the order of the archive."""
    known = energies(raw / ARCHIVE.name)

    def join(records: Records) -> Records:
        values = np.array([known.get(i, (np.nan, np.nan)) for i in records.id.tolist()]).reshape(-1, 2) * KCAL
        targets = {"atomization_eV": values[:, 0], "atomization_dftb3_eV": values[:, 1]}
        names = [f"{i:04d}.xyz" for i in records.id]
        records = replace(records, molecule=targets)
        return records.refuse(~np.isfinite(values).all(1), f"not in {TABLE}", names.__getitem__)

    def check(records: Records) -> None:
        each = float(np.median(records.molecule["atomization_eV"] / records.sizes))
        if not PER_ATOM[0] < each < PER_ATOM[1]:
            raise ValueError(f"{target.name}: {each:.3g} eV of binding an atom, expected {PER_ATOM}; check the unit")

    wanted = lambda name: "/tests/qm7/" in name and name.endswith(".xyz")  # noqa: E731
    report = pack(
        tar_members(raw / ARCHIVE.name, wanted),
        parse,
        target / "molecules.h5",
        finish=join,
        split=lambda spool: by_parent(spool.column("id"), HELD_OUT, SEED),
        expected=ALL,
        limit=limit,
        workers=workers,
        check=check,
    )
    return {target: report}


SOURCE = Source(
    name="qm7",
    what="QM7: relaxed molecules of up to seven C, N, O, S, with PBE0 and DFTB3 atomisation energies; an outside check",
    files=(ARCHIVE,),
    records=ALL,
    about="7,101 molecules",
    download="not known",
    disk="0.1 (estimated)",
    licence="MIT (the repository that it is taken from)",
    citation="Rupp et al., Phys. Rev. Lett. 108, 058301 (2012); github.com/qmlcode/qml, tests/qm7",
    settings={"split": "80 / 10 / 10 % at random", "seed": SEED},
    make=make,
)

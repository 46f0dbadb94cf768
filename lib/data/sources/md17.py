"""MD17 ethanol: dynamics with DFT energies and forces, to check against."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lib.data.sources.pack import Report, pack
from lib.data.sources.records import Records
from lib.data.sources.source import File, Source
from lib.data.sources.units import KCAL, energies_of
from lib.data.splits import usual


TRAIN, VALIDATION, SEED = 950, 50, 0
FRAMES = 20_000  # at once
ETHANOL = File("md17_ethanol.npz", "http://quantum-machine.org/gdml/data/npz/md17_ethanol.npz")


def frames(path: Path) -> Iterator[Records]:
    """Frames of an npz file with z (a,), R (n, a, 3) Å, E (n, 1) kcal/mol and F (n, a, 3) kcal/(mol Å).

    Raises ValueError for a damaged file, a missing array, or arrays whose shapes do not agree.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if missing := {"z", "R", "E", "F"} - set(file.files):
                raise ValueError(f"{path} has no array {', '.join(sorted(missing))}; it has {', '.join(file.files)}")
            z, pos, energy, forces = file["z"], file["R"], file["E"].reshape(-1), file["F"]
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    count, atoms = len(energy), len(z)
    if pos.shape != (count, atoms, 3) or forces.shape != pos.shape:
        raise ValueError(f"{path}: R {pos.shape} and F {forces.shape}, expected {(count, atoms, 3)} for both")
    for start in range(0, count, FRAMES):
        rows = slice(start, start + FRAMES)
        some = len(energy[rows])
        records = Records(
            np.tile(z.astype(np.uint8), some),
            pos[rows].reshape(-1, 3).astype(np.float32),
            np.full(some, atoms),
            np.arange(some),
            some,
            molecule={"energy_eV": energy[rows] * KCAL},
            atom={"forces_eV_A": forces[rows].reshape(-1, 3) * KCAL},
        )
        finite = np.isfinite(energy[rows]) & np.isfinite(pos[rows]).all((1, 2)) & np.isfinite(forces[rows]).all((1, 2))
        yield records.refuse(~finite, "a number is not finite", lambda k, start=start: f"frame {start + k}")


def itself(records: Records) -> Records:
    """Nothing to parse: the file holds arrays."""
    return records


def make(raw: Path, target: Path, limit: int | None, workers: int | None) -> dict[Path, Report]:
    """Pack all frames in the order of time."""

    report = pack(
        frames(raw / ETHANOL.name),
        itself,
        target / "molecules.h5",
        split=lambda spool: usual(spool.molecules, TRAIN, VALIDATION, 2 * (TRAIN + VALIDATION), SEED),
        limit=limit,
        workers=0,
        check=energies_of("energy_eV", target.name),
    )
    return {target: report}


SOURCE = Source(
    name="md17-ethanol",
    what="MD17 ethanol: dynamics with DFT energies and forces; an outside check",
    files=(ETHANOL,),
    records=None,
    about="1 molecule",
    download="not known",
    disk="1 (estimated)",
    licence="not stated in what we have read; see sgdml.org",
    citation="Chmiela et al., Sci. Adv. 3, e1603015 (2017)",
    settings={
        "split": "950 / 50 / the rest at random, as is usual; frames of one trajectory are on both sides, so that test "
        "errors flatter",
        "seed": SEED,
        "unit": "1 kcal/mol = 0.04336414 eV",
    },
    make=make,
)

"""Execute the pipeline again in a temporary clone and compare each fresh metric with the committed one.

A replay of cached results proves nothing. By default every stage after the checkpoints runs again; --all pre-trains
too, sizes of the scaling curves included, and makes the start of each data set again; --only takes single stages.
Exit status: 0 same bits, 1 within tolerance, 2 different. Interrupted, the same command goes on with the next stage.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from lib.paths import ROOT, scratch
from lib.verify.compare import DIFFERENT, SAME, Row, compare_file, report
from lib.verify.execute import execute, metric_files, prepare, runs_again, wanted


def git(*arguments: str, where: Path = ROOT) -> str:
    return subprocess.run(["git", *arguments], cwd=where, capture_output=True, check=True, text=True).stdout


def data_rows() -> list[Row]:
    """One row a data set: the largest difference to its start made again, of coordinates (Å) or of labels (eV)."""
    from lib.make.pilot import TOLERANCE_A, difference
    from lib.paths import DATA

    rows = []
    for card in sorted(DATA.glob("*/card.json")):
        found = difference(card.parent.name)
        # Stored coordinates are rounded, so agreement within the rounding is agreement.
        rows.append(
            Row(
                f"data/{card.parent.name} made again, Å or eV",
                0.0,
                found,
                TOLERANCE_A,
                SAME if found <= TOLERANCE_A else DIFFERENT,
            )
        )
    return rows


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib.verify", description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="pre-train again, and make the start of data/ again")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a deliberate change of params.yaml"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="STAGE",
        help="these stages instead: kinetics@ala2, or kinetics for all",
    )
    parser.add_argument("--threads", type=int, help="CPU threads of each process, instead of those in params.yaml")
    chosen = parser.parse_args(arguments)
    for change in chosen.set:
        stage = "@".join(change.split(".")[:2])
        if not runs_again(stage, chosen.all, chosen.only):
            raise SystemExit(
                f"{change} changes {stage}, which does not run; it does with --only {stage} or --all (ALL=1)"
            )
    if chosen.threads:
        os.environ["OMP_NUM_THREADS"] = str(chosen.threads)  # of what no parameter decides
    if git("status", "--porcelain"):
        print("note: uncommitted changes are not verified, only HEAD is", flush=True)
    folder = scratch("verify", git("rev-parse", "HEAD"), vars(chosen))  # found again after an interruption
    clone = folder / "project"
    try:
        prepare(clone, chosen.set, chosen.threads)
        executed = wanted(clone, chosen.all, chosen.only)
    except SystemExit:  # a name that does not exist: there is nothing to go on with
        shutil.rmtree(folder, ignore_errors=True)
        raise
    execute(clone, executed)
    rows = []
    for name in metric_files(clone, executed):
        fresh = json.loads((clone / name).read_text())
        rows += compare_file(name, json.loads(git("show", f"HEAD:{name}", where=clone)), fresh)
    status = report(rows + (data_rows() if chosen.all else []))
    shutil.rmtree(folder)
    return status


if __name__ == "__main__":
    sys.exit(main())

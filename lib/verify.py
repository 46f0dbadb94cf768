"""Execute the pipeline again in a temporary clone and compare each fresh metric with the committed one.

A replay of cached results proves nothing. By default every stage after the checkpoints runs again; --all pre-trains
too, sizes of the scaling curves included, and makes the start of each data set again; --only takes single stages.
Exit status: 0 same bits, 1 within tolerance, 2 different.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from joblib import Parallel, delayed
from ruamel.yaml import YAML

from lib.paths import ROOT


SAME, WITHIN, DIFFERENT = range(3)
WORDS = ("same bits", "within tolerance", "DIFFERENT")
# Stages that train encoders, and those before them.
CHECKPOINTS = ("strip", "closure", "fetch", "mixture", "pretrain", "scaling")


@dataclass
class Row:
    """One metric: where it is, the committed and the fresh value, what may lie between them, and the outcome."""

    name: str
    committed: object
    fresh: object
    tolerance: float
    status: int


def leaves(tree: dict, path: str = "") -> dict[str, dict]:
    """Every metric of a nested metrics file by its dotted name; a plain value counts as one without tolerance."""
    if not isinstance(tree, dict):
        return {path: {"value": tree, "tolerance": 0.0}}
    if "value" in tree:
        return {path: tree}
    return {name: leaf for key, value in tree.items() for name, leaf in leaves(value, f"{path}.{key}").items()}


def compare(committed: dict, fresh: dict, source: str) -> list[Row]:
    """Rows for two metrics files; a metric that only one of them has is different."""
    old, new = leaves(committed), leaves(fresh)
    rows = []
    for name in sorted(old | new):
        a, b = old.get(name), new.get(name)
        if a is None or b is None:
            rows.append(Row(source + name, a and a["value"], b and b["value"], 0.0, DIFFERENT))
            continue
        tolerance = a.get("tolerance", 0.0)
        near = all(close(a.get(key), b.get(key), tolerance) for key in ("value", "low", "high"))
        alike = near and all(a.get(key) == b.get(key) for key in ("n", "unit"))
        status = SAME if a == b else WITHIN if alike else DIFFERENT
        rows.append(Row(source + name, a["value"], b["value"], tolerance, status))
    return rows


def close(x: object, y: object, tolerance: float) -> bool:
    """Equal, or two numbers at most `tolerance` apart."""
    numbers = isinstance(x, int | float) and isinstance(y, int | float)
    return abs(x - y) <= tolerance if numbers else x == y


def compare_file(name: str, committed: dict, fresh: dict) -> list[Row]:
    """Rows for one metrics file; none, and a line that says so, where its stage lacked outside data in this run."""
    if "not_run" in fresh and "not_run" not in committed:
        print(f"not run here      {name}: the outside reference data that it rests on are missing")
        return []
    return compare(committed, fresh, name)


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True, text=True).stdout


def environment() -> dict[str, str]:
    """Variables for running DVC elsewhere: its stages call `python`, this one, and find the reference data of here."""
    place = os.environ.get("REFERENCE_DATA", str(ROOT.parent / "shared"))
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "REFERENCE_DATA": place,
    }


def dvc(clone: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=clone, check=True, env=environment())


def prepare(clone: Path, changes: list[str], threads: int | None) -> None:
    """Clone HEAD, fetch what it needs from the cache or remote at hand, and apply deliberate changes."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    dvc(clone, "cache", "dir", "--local", str(ROOT / ".dvc" / "cache"))
    dvc(clone, "pull", "--quiet")
    yaml = YAML()
    params = yaml.load(clone / "params.yaml")
    for change in changes:
        key, _, value = change.partition("=")
        *path, last = key.split(".")
        section = params
        for part in path:
            section = section.get(part, {})
        if last not in section:
            raise SystemExit(f"params.yaml has no entry {key!r} to change")
        section[last] = YAML(typ="safe").load(value)
    if threads:
        for section in params.values():
            for run in section.values():
                if "threads" in run:
                    run["threads"] = threads
    yaml.dump(params, clone / "params.yaml")


def layers(clone: Path) -> list[list[str]]:
    """Names of all stages, those first that need no other; those of one layer do not need each other."""
    import networkx
    from dvc.repo import Repo

    with Repo(str(clone)) as repo:
        generations = list(networkx.topological_generations(repo.index.graph.reverse()))
    return [[stage.name for stage in each if hasattr(stage, "name")] for each in generations]  # data.dvc has none


def section(stage: str) -> str:
    """kinetics of kinetics@ala2."""
    return stage.split("@")[0]


def runs_again(stage: str, everything: bool, only: Collection[str]) -> bool:
    """Whether a stage is to be executed; only: stages or sections, kinetics@ala2 or kinetics."""
    if only:
        return stage in only or section(stage) in only
    return everything or section(stage) not in CHECKPOINTS


def wanted(clone: Path, everything: bool, only: Collection[str] = ()) -> list[list[str]]:
    """Names of the stages to execute, layer by layer. Raises SystemExit where a name of `only` is no stage."""
    known = layers(clone)
    if strange := set(only) - {word for layer in known for stage in layer for word in (stage, section(stage))}:
        names = ", ".join(sorted(strange))
        raise SystemExit(f"dvc.yaml has no stage {names}, expected names as kinetics@ala2 or kinetics")
    chosen = [[stage for stage in layer if runs_again(stage, everything, only)] for layer in known]
    return [layer for layer in chosen if layer]


def metric_files(clone: Path, executed: list[list[str]]) -> list[str]:
    """Paths of the metrics that the stages write; of what did not run again nothing is known."""
    lock = YAML(typ="safe").load(clone / "dvc.lock")["stages"]
    outs = (out["path"] for layer in executed for stage in layer for out in lock[stage].get("outs", []))
    return sorted(path for path in outs if path.startswith("metrics/") and path.endswith(".json"))


def execute(clone: Path, chosen: list[list[str]]) -> None:
    """Run stages whatever their state. Two of a layer at a time: one computes while the other's kernel starts."""
    flags = ("--wait-for-lock", "repro", "--quiet", "--force", "--single-item", "--no-commit")
    for layer in chosen:
        Parallel(n_jobs=2, prefer="threads")(delayed(dvc)(clone, *flags, stage) for stage in layer)


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


def report(rows: list[Row]) -> int:
    """Print what is not the same bits, and a count of each outcome; give the worst."""
    for row in rows:
        if row.status != SAME:
            print(f"{WORDS[row.status]:17s} {row.name}: {row.committed} -> {row.fresh} (tolerance {row.tolerance:g})")
    for status, word in enumerate(WORDS):
        print(f"{sum(row.status == status for row in rows):6d} {word}")
    return max((row.status for row in rows), default=SAME)


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
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        clone = Path(folder) / "project"
        prepare(clone, chosen.set, chosen.threads)
        executed = wanted(clone, chosen.all, chosen.only)
        execute(clone, executed)
        rows = []
        for name in metric_files(clone, executed):
            fresh = json.loads((clone / name).read_text())
            rows += compare_file(name, json.loads(git("show", f"HEAD:{name}")), fresh)
    return report(rows + (data_rows() if chosen.all else []))


if __name__ == "__main__":
    sys.exit(main())

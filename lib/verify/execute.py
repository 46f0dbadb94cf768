"""Stages run again in a clone, whatever their state: which ones, in which order, and with which environment."""

import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from joblib import Parallel, delayed
from ruamel.yaml import YAML

from lib.data.reference import place
from lib.paths import ROOT


DONE = "done.txt"  # beside the clone: the stages that have run in it
# Stages that train encoders, and those before them.
CHECKPOINTS = ("strip", "closure", "fetch", "mixture", "pretrain", "scaling")


def environment() -> dict[str, str]:
    """Variables for running DVC elsewhere: its stages call `python`, this one, and find the reference data of here."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "REFERENCE_DATA": str(place()),
    }


def dvc(clone: Path, *arguments: str) -> None:
    variables = environment() | {
        "PYTHONPATH": os.pathsep.join([str(clone), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
        "OMP_WAIT_POLICY": "passive",  # a thread that waits leaves its core to the other stage
    }
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=clone, check=True, env=variables)


def prepare(clone: Path, changes: list[str], threads: int | None) -> None:
    """Clone HEAD, fetch what it needs from the cache or remote at hand, and apply deliberate changes.

    What an interrupted run has prepared is left as it is.
    """
    if (clone.parent / DONE).exists():
        return
    shutil.rmtree(clone.parent, ignore_errors=True)
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
    (clone.parent / DONE).touch()


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
    """Run stages whatever their state, except those that did before an interruption.

    Two of a layer at a time: one computes while the other's kernel starts.
    """
    flags = ("--wait-for-lock", "repro", "--quiet", "--force", "--single-item", "--no-commit")
    note = clone.parent / DONE
    done = note.read_text().splitlines()
    if done:
        print(f"going on after {len(done)} of {sum(map(len, chosen))} stages", flush=True)

    def run(stage: str) -> None:
        dvc(clone, *flags, stage)
        with note.open("a") as file:
            file.write(f"{stage}\n")

    for layer in chosen:
        Parallel(n_jobs=2, prefer="threads")(delayed(run)(stage) for stage in layer if stage not in done)

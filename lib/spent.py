"""What each run took: noted by the runner in scratch/, gathered by `python -m lib.spent` into docs/compute.json.

The report shows the gathered file. The notes themselves are no output of a stage: two runs never take the same time.
"""

import hashlib
import json
import os
import platform
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lib.paths import ROOT, SCRATCH


NOTES = SCRATCH / "spent"
GATHERED = ROOT / "docs" / "compute.json"


def machine() -> str:
    """Processor, cores and GPU, in words."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    said = f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        gpus = subprocess.run(query, capture_output=True, text=True).stdout.splitlines()
        said += f", {len(gpus)} × {gpus[0]}" if gpus else ""
    return said


def digest(parameters: dict) -> str:
    """Of a run's parameters: what a run took tells nothing of the same run with others."""
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:16]


def expected(key: str, parameters: dict, gathered: Path | None = None) -> str:
    """How long a run will take, in words, from the last time with these parameters; "" where that is not known."""
    path = GATHERED if gathered is None else gathered
    note = json.loads(path.read_text()).get(key, {}) if path.exists() else {}
    if note.get("parameters") != digest(parameters):
        return ""
    minutes = note["wall_s"] / 60
    length = f"{minutes:.0f} minutes" if minutes >= 1.5 else f"{note['wall_s']:.0f} seconds"
    return f"took {length} when it last ran ({note['machine']})"


@contextmanager
def noted(key: str, parameters: dict, folder: Path | None = None) -> Iterator[None]:
    """Note wall-clock and processor seconds and peak memory (GB) of the processes started inside; none on failure."""
    folder = NOTES if folder is None else folder
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    yield
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    folder.mkdir(parents=True, exist_ok=True)
    note = {
        "wall_s": round(time.perf_counter() - start, 1),
        "processor_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "memory_gb": round(after.ru_maxrss * 1024 / 1e9, 2),  # of the largest process; Linux counts in KiB
        "machine": machine(),
        "parameters": digest(parameters),
    }
    partial = folder / f".{key}.json"
    partial.write_text(json.dumps(note))
    os.replace(partial, folder / f"{key}.json")


def gather(runs: list[str], notes: Path = NOTES, target: Path = GATHERED) -> dict[str, dict]:
    """Renew `target` by what was noted: {"stage.run": note} of these runs; an older entry stays where none is newer."""
    kept = json.loads(target.read_text()) if target.exists() else {}
    kept |= {path.stem: json.loads(path.read_text()) for path in notes.glob("*.json")}
    kept = {key: kept[key] for key in sorted(runs) if key in kept}
    target.write_text(json.dumps(kept, indent=1) + "\n")
    return kept


def runs_of(params: Path) -> list[str]:
    """Every "stage.run" of a params file, but for the data sets, which `dvc repro` does not make."""
    from ruamel.yaml import YAML

    sections = YAML(typ="safe").load(params)
    return [f"{stage}.{run}" for stage, runs in sections.items() if stage != "data" for run in runs]


if __name__ == "__main__":
    spent = gather(runs_of(ROOT / "params.yaml"))
    print(f"{len(spent)} runs, {sum(note['processor_s'] for note in spent.values()) / 60:.0f} processor minutes")

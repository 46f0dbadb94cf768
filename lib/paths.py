"""Where things lie, from the repository root, whatever the working directory of the caller."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path


ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"  # packed sets and trajectories, owned by data.dvc: nothing but notebooks/00_data_* writes here
NOTEBOOKS = ROOT / "notebooks"
ARTIFACTS = ROOT / "artifacts"  # checkpoints and figures, DVC outs
METRICS = ROOT / "metrics"  # numbers, in Git
SCRATCH = ROOT / "scratch"  # recomputable intermediates and resume states, tracked by nobody


@dataclass(frozen=True)
class Results:
    """Where one run of a notebook leaves what it made.

    folder: below ROOT; "." in the pipeline, "scratch/trial" for a notebook that is run alone.
    """

    folder: str
    stage: str
    run: str

    @property
    def metrics(self) -> Path:
        return ROOT / self.folder / "metrics" / self.stage / f"{self.run}.json"

    @property
    def curve(self) -> Path:
        return self.metrics.with_suffix(".csv")

    @property
    def figures(self) -> Path:
        return ROOT / self.folder / "artifacts" / "figures" / f"{self.stage}_{self.run}"

    @property
    def checkpoint(self) -> Path:
        return ROOT / self.folder / "artifacts" / "checkpoints" / self.run


def scratch(kind: str, *settings) -> Path:
    """A folder below SCRATCH that belongs to exactly these plain settings: a resume state is never mistaken."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    return SCRATCH / kind / digest

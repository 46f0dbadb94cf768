"""Make data/ again with the engines: `python -m lib.make [set ...]`; hours for all, resumes where it was killed."""

import subprocess
import sys

from ruamel.yaml import YAML

from lib.notebook import run
from lib.paths import NOTEBOOKS, ROOT, SCRATCH


def notebook_of(parameters: dict) -> str:
    """The notebook that makes a set, by a parameter that only it has."""
    telling = {
        "road": "00_data_molecules",
        "folds": "00_data_folds",
        "dipeptides": "00_data_windows",
        "levels": "00_data_levels",
        "photon_eV": "00_data_forces",
    }
    return next((name for key, name in telling.items() if key in parameters), "00_data_dynamics")


def main(wanted: list[str]) -> None:
    sets = YAML(typ="safe").load(ROOT / "params.yaml")["data"]
    if unknown := sorted(set(wanted) - set(sets)):
        raise SystemExit(f"params.yaml has no data set {unknown}; it has {sorted(sets)}")
    for name in wanted or sets:
        notebook = notebook_of(sets[name])
        run(NOTEBOOKS / f"{notebook}.ipynb", SCRATCH / "data" / f"{name}.ipynb", f"data.{name}", ROOT / "params.yaml")
    subprocess.run([sys.executable, "-m", "dvc", "add", "data"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])

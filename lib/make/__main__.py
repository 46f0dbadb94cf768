"""Make data/ again with the engines: `python -m lib.make [set ...]`; hours for all, resumes where it was killed."""

import subprocess
import sys

from ruamel.yaml import YAML

from lib.notebook import run
from lib.paths import NOTEBOOKS, ROOT, SCRATCH


def main(wanted: list[str]) -> None:
    sets = YAML(typ="safe").load(ROOT / "params.yaml")["data"]
    if unknown := sorted(set(wanted) - set(sets)):
        raise SystemExit(f"params.yaml has no data set {unknown}; it has {sorted(sets)}")
    for name in wanted or sets:
        notebook = "00_data_molecules" if "road" in sets[name] else "00_data_dynamics"
        run(NOTEBOOKS / f"{notebook}.ipynb", SCRATCH / "data" / f"{name}.ipynb", f"data.{name}", ROOT / "params.yaml")
    subprocess.run([sys.executable, "-m", "dvc", "add", "data"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])

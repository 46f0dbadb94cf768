"""Pre-train with several processes or machines: the pipeline's own notebook, one kernel a rank.

    torchrun --nproc-per-node 8 -m lib.train equilibrium
    dvc commit --force pretrain@equilibrium

Rank 0 leaves what `dvc repro pretrain@equilibrium` leaves; the others do the same work below scratch/rank-<n>. A killed
run goes on from its last state, also with another number of processes.
"""

import argparse
import os
from pathlib import Path

from ruamel.yaml import YAML

from lib import notebook
from lib.paths import NOTEBOOKS, ROOT, SCRATCH


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m lib.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="entry of the section pretrain")
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml", help="file that has the section")
    given = parser.parse_args(arguments)
    key = f"pretrain.{given.run}"
    values = notebook.parameters(given.params, key)
    own = SCRATCH / f"rank-{os.environ.get('RANK', 0)}"
    if os.environ.get("RANK", "0") != "0":
        values["folder"] = str(own.relative_to(ROOT))
    own.mkdir(parents=True, exist_ok=True)
    YAML().dump({"pretrain": {given.run: values}}, own / "params.yaml")
    target = ROOT / values["folder"] / "executed" / f"pretrain_{given.run}.ipynb"
    notebook.run(NOTEBOOKS / "10_pretrain.ipynb", target, key, own / "params.yaml")


if __name__ == "__main__":
    main()

"""Keep a run of the benchmarks: `python -m benchmarks.record` copies its results here and writes README.md."""

import importlib
import json
import shutil
from pathlib import Path

from benchmarks.__main__ import WHAT
from benchmarks.report import table
from lib.paths import SCRATCH


HERE = Path(__file__).parent
RESULTS = HERE / "results"
INTRODUCTION = """# Benchmarks

How fast the suite is beside the libraries that its encoders come from, with the same weights and the same results:
torchmd-net's Equivariant Transformer and PyG's `ViSNet`, each at its own best batch size, threads and processes,
measured in turn with ours. Ratios are medians of the single rounds, with the smallest and the largest; frames per
second are those of this machine on that day. `python -m benchmarks` repeats it (torchmd-net comes with
`pip install -e .[benchmark]`), `python -m benchmarks.record` writes this page.
"""


def page(results: Path = RESULTS) -> str:
    """README.md for the results in a folder."""
    found = {what: json.loads(path.read_text()) for what in WHAT if (path := results / f"{what}.json").exists()}
    parts = [INTRODUCTION]
    for what, content in found.items():
        columns = importlib.import_module(f"benchmarks.{what}").COLUMNS
        if len({row.get("architecture") for row in content["rows"]}) > 1:
            columns = {"architecture": "architecture"} | columns
        measured = ", ".join(f"{key} {value}" for key, value in content["environment"].items() if value)
        title = WHAT[what][0].upper() + WHAT[what][1:]
        parts.append(f"## {title}\n\n{table(content['rows'], columns)}\n\n*{measured}*\n")
        if (picture := results / f"{what}.png").exists():
            parts.append(f"![{title}]({picture.relative_to(results.parent)})\n")
    return "\n".join(parts)


def main(source: Path = SCRATCH / "benchmarks") -> None:
    """Copy JSON and pictures from `source` and write README.md."""
    RESULTS.mkdir(exist_ok=True)
    for path in [*source.glob("*.json"), *source.glob("*.png")]:
        shutil.copy(path, RESULTS)
    (HERE / "README.md").write_text(page())


if __name__ == "__main__":
    main()

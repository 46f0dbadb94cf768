"""Tables on the screen, results as JSON, and frames per second against the number of atoms."""

import json
import platform
import re
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from benchmarks.timing import CORES


PACKAGES = ("torch", "numba", "torch-geometric", "torchmd-net")


def text(value) -> str:
    """A cell of a table: three digits of a number are enough."""
    return (
        f"{value:.3g}"
        if isinstance(value, float) and abs(value) < 100
        else f"{value:.0f}"
        if isinstance(value, float)
        else str(value)
    )


def table(rows: list[dict], columns: dict[str, str], header: bool = True) -> str:
    """Rows under the given keys, as lines of a Markdown table."""
    head = [f"| {' | '.join(columns.values())} |", "|" + " --- |" * len(columns)] if header else []
    return "\n".join(head + [f"| {' | '.join(text(row[key]) for key in columns)} |" for row in rows])


def environment() -> dict:
    """What the numbers depend on."""
    found = {"date": date.today().isoformat(), "processor": processor(), "cores": len(CORES)}
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    found["python"] = platform.python_version()
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def processor() -> str:
    """The processor's name where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", cpuinfo.read_text()) if cpuinfo.exists() else []
    return names[0] if names else platform.machine()


def save(folder: str, name: str, rows: list[dict]) -> Path:
    """Write `name`.json below the folder."""
    path = Path(folder) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"environment": environment(), "rows": rows}, indent=1) + "\n")
    return path


def plot(folder: str) -> Path:
    """Draw embedding.json of the folder: frames per second against atoms, one colour an architecture."""
    import matplotlib.pyplot as plt  # here: a worker need not wait for it

    rows = json.loads((Path(folder) / "embedding.json").read_text())["rows"]
    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    for number, architecture in enumerate(dict.fromkeys(row["architecture"] for row in rows)):
        own = sorted((row for row in rows if row["architecture"] == architecture), key=lambda row: row["atoms"])
        for side, style in (("ours", "o-"), ("peer", "o--")):
            label = f"{architecture}, {side}"
            axes.loglog([r["atoms"] for r in own], [r[side] for r in own], style, color=f"C{number}", label=label)
    axes.set(xlabel="atoms", ylabel="frames per second")
    axes.legend()
    path = Path(folder) / "embedding.png"
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path

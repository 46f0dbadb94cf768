"""Largest memory while a batch is embedded, above what the process holds with one frame embedded. Linux only."""

import re
from pathlib import Path

from benchmarks.embedding import embed
from benchmarks.report import save, table
from benchmarks.timing import Job, Mode, workers


def resident(name: str) -> float:
    """Memory of this process, MB: VmRSS is what it has now, VmHWM the most since `forget`."""
    return int(re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024


def forget() -> None:
    """Begin to look for the largest memory anew."""
    Path("/proc/self/clear_refs").write_text("5")


def grow(side: str, architecture: str, system: str, count: int, sizes: tuple):
    """A function that embeds a batch of `count` frames and returns the memory that it has taken on the way, MB."""
    embed(side, architecture, system, 1, "cpu", sizes)()
    run = embed(side, architecture, system, count, "cpu", sizes)

    def measured() -> float:
        forget()
        before = resident("VmRSS")
        run()
        return resident("VmHWM") - before

    return measured


COLUMNS = {"architecture": "architecture", "system": "system", "batch": "batch", "ours": "ours MB", "peer": "peer MB"}


def main(arguments, own) -> None:
    """Compare every chosen architecture on every chosen system, in fresh processes."""
    if arguments.device != "cpu":
        raise SystemExit(f"memory is measured on the CPU only, --device was {arguments.device}")
    rows = []
    for architecture in arguments.architecture:
        for system in arguments.system:
            found = {}
            for side in ("ours", "peer"):
                job = Job(grow, (side, architecture, system, arguments.batch, arguments.sizes), Mode(1, 1))
                with workers(1) as fresh:
                    found[side] = fresh.value(job)
            rows.append({"architecture": architecture, "system": system, "batch": arguments.batch, **found})
            print(table(rows[-1:], COLUMNS, header=len(rows) == 1), flush=True)
    save(arguments.out, "memory", rows)

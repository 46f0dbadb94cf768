"""Molecules loaded in a second: our Loader beside PyG's DataLoader, on the same packed set."""

from collections import deque
from dataclasses import replace
from itertools import count

import numpy as np
import torch

from benchmarks.report import save, table
from benchmarks.timing import CORES, Job, Mode, duel
from lib.data.loader import Loader
from lib.data.molecules import MoleculeSet, load


def our_loader(molecules: MoleculeSet, chosen: np.ndarray, size: int, device: str) -> Loader:
    """Shuffled batches of `size` molecules."""
    return Loader(molecules, chosen, batch_size=size, seed=0, device=device)


def pyg_loader(molecules: MoleculeSet, chosen: np.ndarray, size: int, helpers: int = 0):
    """PyG's DataLoader over a list of Data objects with z and pos, the usual way; helpers: its worker processes."""
    from torch_geometric.data import Data
    from torch_geometric.loader import DataLoader

    own = molecules.take(chosen)
    z, pos = torch.from_numpy(own.z).long(), torch.from_numpy(own.pos)
    items = [Data(z=z[a:b], pos=pos[a:b]) for a, b in zip(own.offsets, own.offsets[1:])]
    start = "fork" if helpers else None  # a benchmark's worker was spawned, and would hand that on
    keep = helpers > 0
    return DataLoader(
        items, size, shuffle=True, num_workers=helpers, persistent_workers=keep, multiprocessing_context=start
    )


def read(side: str, path: str, size: int, helpers: int, device: str):
    """A function that goes once through all training molecules and returns their number."""
    molecules = replace(load(path), molecule={}, atom={})  # both sides give z and pos alone
    chosen = molecules.of_split("train")
    ours = our_loader(molecules, chosen, size, device) if side == "ours" else None
    theirs = pyg_loader(molecules, chosen, size, helpers) if side == "peer" else None
    epochs = count()

    def run() -> int:
        batches = ours.epoch(next(epochs)) if ours else (batch.to(device) for batch in theirs)
        deque(batches, maxlen=0)
        return len(chosen)

    return run


COLUMNS = {
    "batch": "batch",
    "ours": "ours molecules/s",
    "peer": "peer molecules/s",
    "helpers": "peer's workers",
    "ratio": "ratio",
    "low": "low",
    "high": "high",
}


def main(arguments, own) -> None:
    """Compare at the given batch size; the peer loads in its own process or with workers, whichever is faster."""
    job = lambda side, helpers: Job(  # noqa: E731
        read, (side, arguments.data, arguments.batch, helpers, arguments.device), Mode(1, 1)
    )
    jobs = {"ours": [job("ours", 0)], "peer": [job("peer", helpers) for helpers in (0, len(CORES))]}
    found = duel(own, jobs, arguments.seconds, arguments.rounds)
    row = {"batch": arguments.batch, "helpers": found.jobs["peer"].arguments[3], **found.row()}
    print(table([row], COLUMNS))
    save(arguments.out, "loader", [row])

"""An epoch of a VAMPnet: ours beside deeptime's `VAMPNet.fit`, with the same lobe, batch size and data."""

from statistics import median

import numpy as np
import torch

from benchmarks import spent
from benchmarks.report import save, table
from lib.dynamics.buffers import Buffers
from lib.dynamics.mixing import token_network
from lib.dynamics.vampnet import Lobe, Settings, train_epoch


TOKENS, CHANNELS = 10, 64
LOBES = {"flat": Lobe, **{name: token_network(name) for name in ("none", "submixer", "subformer")}}
CHAIN = 10
SIDES = {"ours": 1, "chained": CHAIN, "peer": 0}


def epoch(side: str, lobe: str, count: int):
    """A function that trains for one epoch on `count` frames of noise."""
    data = np.random.default_rng(0).standard_normal((count, TOKENS, 4, CHANNELS), dtype=np.float32)
    data = data.reshape(count, -1) if lobe == "flat" else data
    settings = Settings(chain=max(1, SIDES[side]))
    buffers = Buffers([data], None, 1)
    module = LOBES[lobe](*(m.numpy() for m in buffers.moments()), settings, torch.Generator().manual_seed(0))
    if side == "peer":
        from deeptime.decomposition.deep import VAMPNet
        from deeptime.util.data import TrajectoryDataset
        from torch.utils.data import DataLoader

        loader = DataLoader(TrajectoryDataset(1, data), settings.batch, shuffle=True)
        fit = VAMPNet(module, learning_rate=settings.learning_rate).fit
        return lambda: fit(loader, n_epochs=1)
    optimiser = torch.optim.AdamW(module.parameters(), lr=settings.learning_rate)
    return lambda: train_epoch(module, optimiser, buffers, 1, torch.Generator().manual_seed(0), settings)


COLUMNS = {
    "lobe": "lobe",
    "frames": "frames",
    "ours": "ours, processor s",
    "chained": f"in chains of {CHAIN}",
    "peer": "deeptime",
    "ratio": "ratio",
    "low": "low",
    "high": "high",
    "chained_ratio": "ratio in chains",
}


def main(arguments, own) -> None:
    """Every lobe at the given number of frames; ratios are of the single rounds."""
    rows = []
    for lobe in LOBES:
        jobs = {side: (epoch, (side, lobe, arguments.frames)) for side in SIDES}
        found = spent.seconds(own, jobs, 0.0, arguments.rounds)
        ratios = {side: [p / o for p, o in zip(found["peer"], found[side])] for side in ("ours", "chained")}
        rows.append(
            {
                "lobe": lobe,
                "frames": arguments.frames,
                **{side: median(times) for side, times in found.items()},
                "ratio": median(ratios["ours"]),
                "low": min(ratios["ours"]),
                "high": max(ratios["ours"]),
                "chained_ratio": median(ratios["chained"]),
            }
        )
        print(table(rows[-1:], COLUMNS, header=len(rows) == 1), flush=True)
    save(arguments.out, "vampnet", rows)

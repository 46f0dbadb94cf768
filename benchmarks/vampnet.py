"""An epoch of a VAMPnet: ours beside deeptime's `VAMPNet.fit`, with the same lobe, batch size and data.

deeptime is given the lobe twice: as we evaluate it (few tokens at a time, linear maps multiplied together), and as the
same weights read when one writes the mixer down, which is what somebody without this suite would train.
"""

from statistics import median

import numpy as np
import torch
from torch import nn

from benchmarks import spent
from benchmarks.report import save, table
from lib.dynamics.buffers import Buffers
from lib.dynamics.mixing import token_network
from lib.dynamics.vampnet import Lobe, Settings, train_epoch


TOKENS, CHANNELS = 10, 64
LOBES = {"flat": Lobe, **{name: token_network(name) for name in ("none", "submixer", "subformer")}}
CHAIN = 10
OURS = {"ours": 1, "chained": CHAIN}
PEERS = ("peer", "written_out")


def epoch(side: str, lobe: str, count: int):
    """A function that trains for one epoch on `count` frames of noise."""
    data = np.random.default_rng(0).standard_normal((count, TOKENS, 4, CHANNELS), dtype=np.float32)
    data = data.reshape(count, -1) if lobe == "flat" else data
    settings = Settings(chain=OURS.get(side, 1))
    buffers = Buffers([data], None, 1)
    module = LOBES[lobe](*(m.numpy() for m in buffers.moments()), settings, torch.Generator().manual_seed(0))
    if side in PEERS:
        return deeptime_epoch(written_out(module) if side == "written_out" else module, data, settings)
    optimiser = torch.optim.AdamW(module.parameters(), lr=settings.learning_rate)
    return lambda: train_epoch(module, optimiser, buffers, 1, torch.Generator().manual_seed(0), settings)


def deeptime_epoch(module: nn.Module, data: np.ndarray, settings: Settings):
    """A function that trains the lobe by deeptime for one epoch."""
    from deeptime.decomposition.deep import VAMPNet
    from deeptime.util.data import TrajectoryDataset
    from torch.utils.data import DataLoader

    loader = DataLoader(TrajectoryDataset(1, data), settings.batch, shuffle=True)
    fit = VAMPNet(module, learning_rate=settings.learning_rate).fit
    return lambda: fit(loader, n_epochs=1)


def written_out(lobe: nn.Module) -> nn.Module:
    """The same weights, evaluated layer by layer: the mixer of a token lobe, or standardising before the layers."""
    return Standardised(lobe) if isinstance(lobe, Lobe) else lobe.mixer


class Standardised(nn.Module):
    """A flat lobe whose features are standardised first."""

    def __init__(self, lobe: Lobe):
        super().__init__()
        self.lobe = lobe

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.lobe.layers((features - self.lobe.mean) / self.lobe.spread)


COLUMNS = {
    "lobe": "lobe",
    "frames": "frames",
    "ours": "ours, processor s",
    "chained": f"in chains of {CHAIN}",
    "peer": "deeptime",
    "written_out": "deeptime, lobe written out",
    **{
        f"{side}_{peer}": f"{peer_words} / {words}"
        for peer, peer_words in (("peer", "deeptime"), ("written_out", "written out"))
        for side, words in (("ours", "ours"), ("chained", "chained"))
    },
}


def main(arguments, own) -> None:
    """Every lobe at the given number of frames; ratios are medians of those of the single rounds, low to high."""
    rows = []
    for lobe in LOBES:
        jobs = {side: (epoch, (side, lobe, arguments.frames)) for side in (*OURS, *PEERS)}
        found = spent.seconds(own, jobs, 0.0, arguments.rounds)
        row = {"lobe": lobe, "frames": arguments.frames} | {side: median(times) for side, times in found.items()}
        for side in OURS:
            for peer in PEERS:
                ratios = [p / o for p, o in zip(found[peer], found[side])]
                spread = f"({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else "(one round)"
                row[f"{side}_{peer}"] = f"{median(ratios):.2f} {spread}"
        rows.append(row)
        print(table(rows[-1:], COLUMNS, header=len(rows) == 1), flush=True)
    save(arguments.out, "vampnet", rows)

"""Molecules trained on in a second, loader included: denoising, ours beside the peer with PyG's DataLoader."""

from itertools import count

import torch
from torch import nn

from benchmarks import peers
from benchmarks.loader import our_loader, pyg_loader
from benchmarks.report import save, table
from benchmarks.timing import CORES, Job, Mode, duel
from lib.data.molecules import load
from lib.models.heads import DenoisingHead
from lib.threads import single_thread
from lib.train import denoise
from lib.train.loop import Objective
from lib.train.shares import SideBySide


class Denoiser(nn.Module):
    """A peer's block under our denoising head: the two sides have the same number of weights."""

    def __init__(self, block: nn.Module, hidden: int):
        super().__init__()
        self.block, self.head = block, DenoisingHead(hidden)

    def denoise(self, z, pos, batch):
        return self.head(*self.block(z, pos, batch)[:2])


def endless(side: str, path: str, size: int, device: str):
    """Batches of training molecules, epoch after epoch."""
    molecules = load(path)
    chosen = molecules.of_split("train")
    if side == "ours":
        loader = our_loader(molecules, chosen, size, device)
        return (batch for epoch in count() for batch in loader.epoch(epoch))
    loader = pyg_loader(molecules, chosen, size)
    return (batch.to(device) for _ in count() for batch in loader)


def train(side: str, architecture: str, path: str, size: int, device: str, sizes: tuple):
    """A function that takes one optimiser step and returns the number of molecules in its batch."""
    encoder = peers.ours(architecture, device, **dict(sizes))
    most = int(load(path).sizes.max()) + 1
    model = encoder if side == "ours" else Denoiser(peers.peer(encoder, most), encoder.config.hidden).to(device)
    optimiser = torch.optim.AdamW(model.train().parameters(), lr=1e-4, amsgrad=True)
    batches = endless(side, path, size, device)
    generator = torch.Generator(device).manual_seed(0)

    def backward(batch, generator):
        noisy, target = denoise.displace(batch.pos, 0.2, generator)
        loss = (model.denoise(batch.z, noisy, batch.batch) - target).square().mean()
        loss.backward()
        return loss

    if side == "ours" and (threads := torch.get_num_threads()) > 1:
        backward = single_thread()(SideBySide(Objective(model, denoise.loss, "float32"), threads))

    def run() -> int:
        batch = next(batches)
        optimiser.zero_grad(set_to_none=True)
        loss = backward(batch, generator)
        optimiser.step()
        return (int(batch.batch[-1]) + 1) if loss.isfinite() else 0

    return run


COLUMNS = {
    "architecture": "architecture",
    "batch": "batch",
    "ours": "ours molecules/s",
    "ours_mode": "processes x threads",
    "peer": "peer molecules/s",
    "peer_mode": "processes x threads",
    "ratio": "ratio",
    "low": "low",
    "high": "high",
}


def main(arguments, own) -> None:
    """Compare every chosen architecture at the given batch size, each side with its best number of threads."""
    rows = []
    for architecture in arguments.architecture:
        settings = (architecture, arguments.data, arguments.batch, arguments.device, arguments.sizes)
        modes = [Mode(1, threads) for threads in sorted({1, len(CORES)})]
        jobs = {side: [Job(train, (side, *settings), mode) for mode in modes] for side in ("ours", "peer")}
        found = duel(own, jobs, arguments.seconds, arguments.rounds)
        rows.append({"architecture": architecture, "batch": arguments.batch, **found.row()})
        print(table(rows[-1:], COLUMNS, header=len(rows) == 1), flush=True)
    save(arguments.out, "training", rows)

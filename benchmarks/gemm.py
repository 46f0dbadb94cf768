"""Arithmetic rate of our encoders on one core, as a share of what a large matrix product reaches on it."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import peers, systems
from benchmarks.embedding import embed
from benchmarks.report import save, table
from benchmarks.timing import Job, Mode, duel


SIDE = 1024  # of the square matrices
ATOMS = 2000  # in a batch


def product(device: str):
    """A function that multiplies two square matrices and returns the number of operations, in 10⁹."""
    a = torch.rand(SIDE, SIDE, device=device)

    def run() -> float:
        a @ a
        if device != "cpu":
            torch.cuda.synchronize()
        return 2 * SIDE**3 / 1e9

    return run


@torch.no_grad()
def operations(model, *inputs) -> float:
    """Operations of the matrix products that torch does in one call, in 10⁹, without what only a first call needs."""
    model(*inputs)
    with FlopCounterMode(display=False) as counter:
        model(*inputs)
    return counter.get_total_flops() / 1e9


COLUMNS = {
    "architecture": "architecture",
    "system": "system",
    "machine": "machine GFLOP/s",
    "frames": "frames/s",
    "ours": "our GFLOP a frame",
    "share": "share",
    "peer": "peer's GFLOP a frame",
    "worth": "share by the peer's",
}


def main(arguments, own) -> None:
    """For every architecture and system: matrix products in a frame, times our frames per second, over the machine's
    rate; first with the products that torch does for us, then with those that the peer does for the same result.
    """
    rows = []
    peak = Job(product, (arguments.device,), Mode(1, 1))
    for architecture in arguments.architecture:
        for system in arguments.system:
            z, pos, batch = systems.frames(system, 1)
            encoder = peers.ours(architecture, **dict(arguments.sizes))
            block = peers.peer(encoder, peers.most_neighbours(z, pos, batch, encoder.config.cutoff))
            needed = {side: operations(m, z, pos, batch) for side, m in (("ours", encoder), ("peer", block))}
            count = max(1, ATOMS // len(z))
            job = Job(embed, ("ours", architecture, system, count, arguments.device, arguments.sizes), Mode(1, 1))
            found = duel(own, {"ours": [job], "peer": [peak]}, arguments.seconds, arguments.rounds).row()
            rows.append(
                {
                    "architecture": architecture,
                    "system": system,
                    "machine": found["peer"],
                    "frames": found["ours"],
                    **needed,
                    "share": found["ratio"] * needed["ours"],
                    "worth": found["ratio"] * needed["peer"],
                }
            )
            print(table(rows[-1:], COLUMNS, header=len(rows) == 1), flush=True)
    save(arguments.out, "gemm", rows)

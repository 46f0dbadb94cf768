"""Frames embedded in a second: our encoders beside their peers, each at its best batch size and use of the cores."""

import torch

from benchmarks import peers, systems
from benchmarks.report import plot, save, table
from benchmarks.timing import MODES, ONE_A_CORE, Job, Mode, climb, duel


PEER = 0.25  # of our largest batch in atoms: a peer takes some 0.5 MB an atom


def embed(side: str, architecture: str, system: str, count: int, device: str, sizes: tuple):
    """A function that embeds one batch of `count` frames and returns `count`."""
    encoder = peers.ours(architecture, device, **dict(sizes))
    z, pos, batch = systems.frames(system, count, device)
    most = peers.most_neighbours(z, pos, batch, encoder.config.cutoff)
    model = encoder if side == "ours" else peers.peer(encoder, most)

    @torch.no_grad()
    def run() -> int:
        model(z, pos, batch)
        if device != "cpu":
            torch.cuda.synchronize()
        return count

    return run


def batch_sizes(atoms: int, limit: float) -> list[int]:
    """1, 2, 4, ... frames, up to `limit` atoms together."""
    return [2**k for k in range(20) if k == 0 or 2**k * atoms <= limit]


def compare(own, architecture: str, system: str, arguments) -> dict:
    """Search both sides' best settings, then measure those in turn."""
    device, sizes, seconds, rounds = arguments.device, arguments.sizes, arguments.seconds, arguments.rounds
    encoder = peers.ours(architecture, device, **dict(sizes))
    z, pos, batch = systems.frames(system, 2, device)
    block = peers.peer(encoder, peers.most_neighbours(z, pos, batch, encoder.config.cutoff))
    atoms, pairs = len(z) // 2, len(encoder.graph(z, pos, batch).first)
    modes = {"ours": [ONE_A_CORE], "peer": MODES} if device == "cpu" else {"ours": [Mode(1, 1)], "peer": [Mode(1, 1)]}
    tops, curves = {}, {}
    for side, limit in (("ours", arguments.largest), ("peer", PEER * arguments.largest)):
        counts = batch_sizes(atoms, limit)
        jobs = [Job(embed, (side, architecture, system, n, device, sizes), m) for m in modes[side] for n in counts]
        tops[side], curves[side] = climb(own, jobs, seconds)
    found = duel(own, tops, seconds, rounds)
    largest = max(curves["ours"], key=frames_of)
    fall = duel(own, {"ours": [largest], "peer": [found.jobs["ours"]]}, seconds, rounds)
    return {
        "architecture": architecture,
        "system": system,
        "atoms": atoms,
        "neighbours": round(pairs / atoms + 1, 1),
        "disagreement": peers.disagreement(encoder, block, z, pos, batch),
        **{f"{side}_batch": frames_of(job) for side, job in found.jobs.items()},
        **found.row(),
        "largest_batch": frames_of(largest),
        "largest_to_best": fall.row()["ratio"],
        "curves": {side: {f"{frames_of(j)} in {j.mode}": r for j, r in c.items()} for side, c in curves.items()},
    }


def frames_of(job: Job) -> int:
    """Frames in a batch of this job."""
    return job.arguments[3]


COLUMNS = {
    "system": "system",
    "atoms": "atoms",
    "neighbours": "neighbours",
    "ours": "ours frames/s",
    "ours_batch": "batch",
    "peer": "peer frames/s",
    "peer_batch": "batch",
    "peer_mode": "processes x threads",
    "ratio": "ratio",
    "low": "low",
    "high": "high",
    "largest_batch": "largest batch",
    "largest_to_best": "largest / best",
    "disagreement": "difference",
}


def main(arguments, own) -> None:
    """Compare every chosen architecture on every chosen system."""
    rows = []
    for architecture in arguments.architecture:
        for system in arguments.system:
            rows.append(compare(own, architecture, system, arguments))
            print(table(rows[-1:], COLUMNS, header=len(rows) == 1), flush=True)
    save(arguments.out, "embedding", rows)
    plot(arguments.out)

"""One embedding as asked for on the command line: check it, say where it comes from, run it in one process or more."""

import os
import platform
import socket
import sys
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
import torch

from lib import distributed
from lib.data.checksum import sha256
from lib.data.frames import Frames, select
from lib.data.topology import load_topology
from lib.embed.cached import weights_sha256
from lib.embed.file import refuse_others
from lib.embed.stream import stream
from lib.embed.tokens import ATOMS_PER_BATCH
from lib.models import load_encoder, readout
from lib.threads import single_thread


ATOMS_PER_GPU_BATCH = 20_000
LAYOUT = "frame, token, (scalar, x, y, z), channel; sums over the atoms of a token"
INVARIANT_LAYOUT = "frame, token, (scalar channels, lengths of the vector channels)"


@dataclass(frozen=True)
class Job:
    """What `python -m lib.embed` was asked for; the fields are its options."""

    encoder: str
    topology: Path
    trajectory: list[Path]
    out: Path
    selection: str = "all"
    tokens: str = "residue"
    invariant: bool = False
    stride: int = 1
    dtype: str = "float32"
    neighbors: str = "all"
    batch: int | None = None

    def read(self) -> tuple[torch.nn.Module, list[Frames], np.ndarray, tuple[str, ...]]:
        """Encoder, frames of each trajectory, token of each atom and names of the tokens; raises for bad input."""
        encoder = load_encoder(self.encoder, neighbors=self.neighbors)
        if not self.topology.exists():
            raise FileNotFoundError(f"{self.topology} is missing, expected a topology such as a PDB file")
        topology = load_topology(self.topology)
        selection = select(topology, self.selection)
        frames = [Frames(path, topology, selection, self.stride) for path in self.trajectory]
        return encoder, frames, *readout.groups(topology, self.tokens, selection)

    def provenance(self, encoder: torch.nn.Module, frames: list[Frames], batch: int) -> dict:
        """All that decides the tokens; files by name, size and sha256."""
        described = lambda path: {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)}  # noqa: E731
        return {
            "encoder": self.encoder,
            "weights_sha256": weights_sha256(encoder),
            "config": asdict(encoder.config),
            "neighbors": encoder.neighbors,
            "topology": described(self.topology),
            "trajectories": [described(f.paths[0]) | {"frames_kept": len(f)} for f in frames],
            "selection": self.selection,
            "tokens": self.tokens,
            "layout": INVARIANT_LAYOUT if self.invariant else LAYOUT,
            "unit": "positions in Å",
            "stride": self.stride,
            "dtype": self.dtype,
            "atoms_per_batch": batch,
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in ("torch", "numpy", "mdtraj", "h5py")},
        }


def run(job: Job) -> None:
    """Embed in this process, or in this rank of several; says at the end what there is."""
    device = distributed.join()
    encoder, frames, residue, names = job.read()
    encoder = encoder.to(device)
    batch = job.batch or (ATOMS_PER_BATCH if device.type == "cpu" else ATOMS_PER_GPU_BATCH)
    provenance = distributed.from_first(lambda: job.provenance(encoder, frames, batch))
    if not distributed.from_first(lambda: is_there(job.out, provenance)):
        fixed = {
            "token_names": np.array(names, h5py.string_dtype()),
            "token_of_atom": residue,
            "atom": frames[0].selection,
        }
        with single_thread() if device.type == "cpu" else nullcontext():
            read = token_invariants if job.invariant else lambda tokens: tokens
            stream(encoder, frames, residue, job.out, provenance, fixed, read, np.dtype(job.dtype), batch, True)
    if distributed.rank() == 0:
        print(f"{job.out}: {sum(map(len, frames))} frames of {len(frames)} trajectories, {len(names)} tokens each")


def token_invariants(tokens: torch.Tensor) -> torch.Tensor:
    """(frame, token, 4, H) -> (frame, token, 2 H): scalars and lengths of the summed vectors."""
    return readout.invariants(tokens[:, :, 0], tokens[:, :, 1:])


def is_there(path: Path, provenance: dict) -> bool:
    """Whether this file is complete already; ValueError where another one has its name."""
    if path.exists():
        refuse_others(path, provenance)
    return path.exists()


def run_in_processes(job: Job, workers: int) -> None:
    """`run` in several processes of this machine, each with a core and a thread of its own; raises its ValueError."""
    job.read()  # bad input is found before processes are started
    spawn = torch.multiprocessing.get_context("spawn")
    errors = spawn.SimpleQueue()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(workers)}
    try:
        torch.multiprocessing.start_processes(worker, (job, place, errors), workers, start_method="spawn")
    except torch.multiprocessing.ProcessExitedException as ended:
        reason = f"a process ended with {ended.exit_code}" if errors.empty() else errors.get()
        raise ValueError(reason) from ended


def worker(rank: int, job: Job, place: dict, errors) -> None:
    """One process of `run_in_processes`."""
    os.environ.update(place, RANK=str(rank), LOCAL_RANK=str(rank))
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})
    try:
        run(job)
    except (ValueError, OSError) as error:
        errors.put(str(error))
        sys.exit(2)
    distributed.leave()

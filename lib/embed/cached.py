"""The tokens of the pipeline's systems, kept under scratch/ by what decides them."""

import hashlib
from pathlib import Path

import h5py
import numpy as np
import torch
from joblib import Parallel, delayed

from lib import models
from lib.data.trajectories import System
from lib.embed.file import name
from lib.embed.stream import stream
from lib.paths import SCRATCH
from lib.threads import single_thread


def weights_sha256(encoder: torch.nn.Module) -> str:
    """Hexadecimal sha256 of the names and values of the weights."""
    digest = hashlib.sha256()
    for label, tensor in encoder.state_dict().items():
        digest.update(label.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def key(encoder: torch.nn.Module, system: System, trajectory: int, stride: int) -> str:
    """Digest of all that decides the tokens: code, weights, settings, selection and the trajectory's bytes."""
    digest = hashlib.sha256(torch.__version__.encode())
    for source in [*sorted(Path(__file__).parent.glob("*.py")), *sorted(Path(models.__file__).parent.glob("*.py"))]:
        digest.update(source.read_bytes())
    digest.update(weights_sha256(encoder).encode())
    digest.update(repr((encoder.config, encoder.neighbors, system.name, stride)).encode())
    digest.update(system.selection.tobytes())
    for path in system.paths[trajectory]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def all_tokens(encoder: torch.nn.Module, system: System, stride: int = 1, jobs: int = 1) -> list[np.ndarray]:
    """Tokens (frame, residue, 4, H) of every trajectory, computed in `jobs` processes where they are not there yet."""
    each = range(len(system.paths))
    return Parallel(n_jobs=jobs)(delayed(tokens)(encoder, system, i, stride) for i in each)


@single_thread()
def tokens(
    encoder: torch.nn.Module, system: System, trajectory: int, stride: int = 1, scratch: Path = SCRATCH / "tokens"
) -> np.ndarray:
    """(frame, residue, 4, H) float32 tokens of one trajectory, computed once and kept under `scratch`.

    The file takes its final name when complete, and an interrupted one is resumed.
    """
    digest = key(encoder, system, trajectory, stride)
    path = scratch / f"{system.name}-{trajectory}-{digest}.h5"
    if not path.exists():
        stream(encoder, [system.stream(trajectory, stride)], system.residue, path, {"key": digest, "unit": "Å"})
    with h5py.File(path) as file:
        return file[name(0)][:]

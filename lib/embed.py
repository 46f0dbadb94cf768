"""Frozen encoder -> tokens: the features of each residue in each frame, streamed to disk and computed once."""

import hashlib
import json
import os
from pathlib import Path

import h5py
import numpy as np
import torch
from joblib import Parallel, delayed
from tqdm import tqdm

from lib import models
from lib.data.trajectories import System
from lib.paths import SCRATCH
from lib.threads import single_thread


ATOMS_PER_BATCH = 1500  # temporaries of a batch stay in the processor's cache; larger ones are slower on a CPU


def residue_tokens(scalars: torch.Tensor, vectors: torch.Tensor, residue: torch.Tensor, frames: int) -> torch.Tensor:
    """Sum over the atoms of each residue: (atom, H), (atom, 3, H), (atom,) -> (frame, residue, 4, H).

    Row 0 is the scalar, rows 1 to 3 are x, y, z (P2's layout). `residue` numbers residues within one frame, the
    atoms of all frames are concatenated.
    """
    rows = torch.cat([scalars[:, None], vectors], 1)  # (N, H), (N, 3, H) -> (N, 4, H)
    tokens = rows.new_zeros(frames, int(residue.max()) + 1, *rows.shape[1:])
    frame = torch.arange(frames).repeat_interleave(len(residue))
    return tokens.index_put_((frame, residue.repeat(frames)), rows, accumulate=True)


@torch.no_grad()
def embed_frames(encoder: torch.nn.Module, z: np.ndarray, pos: np.ndarray, residue: np.ndarray) -> torch.Tensor:
    """Tokens (frame, residue, 4, H) of frames pos (frame, atom, 3) Å with atomic numbers z (atom,)."""
    frames, atoms = pos.shape[:2]
    batch = torch.arange(frames).repeat_interleave(atoms)
    scalars, vectors = encoder(torch.from_numpy(z).repeat(frames), torch.from_numpy(pos).reshape(-1, 3), batch)
    return residue_tokens(scalars, vectors, torch.from_numpy(residue), frames)


def key(encoder: torch.nn.Module, system: System, trajectory: int, stride: int) -> str:
    """Digest of all that decides the tokens: code, weights, settings, selection and the trajectory's bytes."""
    digest = hashlib.sha256(torch.__version__.encode())
    for source in [Path(__file__), *sorted(Path(models.__file__).parent.glob("*.py"))]:
        digest.update(source.read_bytes())
    for name, tensor in encoder.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    digest.update(repr((encoder.config, encoder.neighbors, system.name, stride)).encode())
    digest.update(system.selection.tobytes() + Path(system.paths[trajectory]).read_bytes())
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

    Written batch by batch; the file takes its final name when complete, and an interrupted one is resumed.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / f"{system.name}-{trajectory}-{key(encoder, system, trajectory, stride)}.h5"
    if not path.exists():
        stream(encoder, system, trajectory, stride, path)
    with h5py.File(path) as file:
        return file["tokens"][:]


def stream(encoder: torch.nn.Module, system: System, trajectory: int, stride: int, path: Path) -> None:
    """Compute the tokens of one trajectory into `path`."""
    pos, z, residue = system.positions(trajectory, stride), system.z, system.residue
    partial, step = path.with_suffix(".part"), max(1, ATOMS_PER_BATCH // len(z))
    if partial.exists() and not h5py.is_hdf5(partial):
        partial.unlink()  # killed in the middle of a write
    with h5py.File(partial, "a") as file:
        if "tokens" not in file:
            shape = (len(pos), int(residue.max()) + 1, 4, encoder.config.hidden)
            file.create_dataset("tokens", shape, np.float32)
            file.attrs.update(frames_done=0, encoder=json.dumps(vars(encoder.config)), system=system.name, unit="Å")
        done = int(file.attrs["frames_done"])
        for start in tqdm(range(done, len(pos), step), desc=path.stem, mininterval=60, disable=None):
            found = embed_frames(encoder, z, pos[start : start + step], residue)
            file["tokens"][start : start + len(found)] = found.numpy()
            file.flush()  # first the frames, then the count of them
            file.attrs["frames_done"] = start + len(found)
            file.flush()
    os.replace(partial, path)

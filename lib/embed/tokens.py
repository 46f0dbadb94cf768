"""Frozen encoder -> tokens of a few frames, in memory."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from lib.models.readout import pool


ATOMS_PER_BATCH = 1500  # temporaries of a batch stay in the processor's cache; larger ones are slower on a CPU


@torch.no_grad()
def embed_frames(encoder: nn.Module, z: np.ndarray, pos: np.ndarray, residue: np.ndarray) -> Tensor:
    """Tokens (frame, residue, 4, H) of frames pos (frame, atom, 3) Å with atomic numbers z (atom,).

    Sums over the atoms of each residue, or of other groups of atoms, numbered from 0. Row 0 is the scalar, rows 1 to 3
    are x, y, z (P2's layout).
    """
    frames, atoms = pos.shape[:2]
    device = next(encoder.parameters()).device
    put = lambda array: torch.from_numpy(array).to(device)  # noqa: E731
    batch = torch.arange(frames, device=device).repeat_interleave(atoms)
    scalars, vectors = encoder(put(z).repeat(frames), put(pos).reshape(-1, 3), batch)
    return pool(torch.cat([scalars[:, None], vectors], 1), put(residue), frames)


def embed_block(
    encoder: nn.Module,
    z: np.ndarray,
    pos: np.ndarray,
    residue: np.ndarray,
    read: Callable[[Tensor], Tensor],
    step: int,
) -> Tensor:
    """`read` of the tokens of one or more frames (frame, ...), on the CPU, computed `step` frames at a time."""
    starts = range(0, len(pos), step)
    return torch.cat([read(embed_frames(encoder, z, pos[i : i + step], residue)).cpu() for i in starts])

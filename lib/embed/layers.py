"""Tokens after every layer of an encoder, for the questions that ask what depth adds."""

import numpy as np
import torch

from lib.data.trajectories import System
from lib.embed.tokens import ATOMS_PER_BATCH
from lib.models.encoder import Encoder
from lib.models.readout import invariants, pool
from lib.threads import single_thread


@torch.no_grad()
@single_thread()
def layer_tokens(encoder: Encoder, system: System, trajectory: int, stride: int = 1) -> np.ndarray:
    """(layers + 2, frame, residue 2H) float32 invariants of the residue tokens: embedding, each layer, the output.

    The output differs from the last layer by the final normalisation; it is what every other part of the suite uses.
    """
    pos = torch.from_numpy(system.positions(trajectory, stride))
    z, residue = torch.from_numpy(system.z), torch.from_numpy(system.residue)
    step, found = max(1, ATOMS_PER_BATCH // len(z)), []
    for some in pos.split(step):
        batch = torch.arange(len(some)).repeat_interleave(len(z))
        given = z.repeat(len(some)), some.reshape(-1, 3), batch
        stages = [*encoder.layers(*given), encoder(*given)]
        pooled = [[pool(each, residue, len(some)) for each in stage] for stage in stages]
        found.append(torch.stack([invariants(*stage).flatten(1) for stage in pooled]))
    return torch.cat(found, 1).numpy()

"""From trajectory files to what a network is fed with, on disk: embedded once, read in pieces."""

import hashlib
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lib.data.frames import Frames
from lib.dynamics.mixing import token_network
from lib.dynamics.places import write_places
from lib.dynamics.vampnet import Lobe, Network
from lib.dynamics.views import TokenView
from lib.embed.file import name
from lib.embed.job import ATOMS_PER_GPU_BATCH, Job, run
from lib.embed.tokens import ATOMS_PER_BATCH
from lib.mixers import make_mixer


PLAIN = "flat"  # no mixer: an MLP on the invariants of all tokens side by side; "none" of lib.mixers sums them


def embed(job: Job, encoder: nn.Module, frames: list[Frames]) -> Path:
    """The token file of a job, made unless it is there: its name in the folder of `job.out` says what decides it.

    Another selection, stride or encoder has another name, so that nothing is overwritten and nothing mistaken.
    """
    batch = job.batch or (ATOMS_PER_GPU_BATCH if torch.cuda.is_available() else ATOMS_PER_BATCH)
    provenance = job.provenance(encoder, frames, batch)
    digest = hashlib.sha256(json.dumps(provenance, sort_keys=True).encode()).hexdigest()[:8]
    path = job.out.with_name(f"{job.out.stem}-{digest}.h5")
    run(replace(job, out=path, batch=batch))
    return path


def network_of(mixer: str, channels: int, tokens: int, width: int) -> tuple[Network, str]:
    """What makes the lobe, and the layout of `TokenView` that it wants; ValueError for a mixer that does not exist."""
    if mixer == PLAIN:
        return Lobe, "invariants"
    layout = "positions" if make_mixer(mixer, channels, tokens, 1, width).needs_ca else "tokens"
    return token_network(mixer, positions=layout == "positions", width=width), layout


def views(path: Path, frames: list[Frames], token: np.ndarray, layout: str) -> list[TokenView]:
    """Each trajectory of a token file as a network takes it; token: (atom,) token of each selected atom."""
    places = None
    if layout == "positions":
        places = path.with_name(path.name.replace("tokens", "places", 1))
        write_places(frames, token, places, {"tokens": path.name, "unit": "Å"})
    view = partial(TokenView, path, layout=layout, places=places)
    return [view(name(i), 0, len(each)) for i, each in enumerate(frames)]


def buffer_frames(view: TokenView, memory_gb: float) -> int:
    """How many frames of features, float32, fit into so much memory."""
    return max(1, int(memory_gb * 1e9 / (4 * np.prod(view.shape[1:]))))

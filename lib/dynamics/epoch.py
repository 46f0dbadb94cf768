"""One training epoch of a VAMPnet, on frozen tokens or with the encoder in its lobe, for timing and counting."""

from collections.abc import Callable
from functools import partial

import mdtraj
import numpy as np
import torch

from lib.dynamics.buffers import Buffers
from lib.dynamics.joint import encoder_network
from lib.dynamics.mixing import token_network
from lib.dynamics.vampnet import Settings, train_epoch
from lib.embed.tokens import ATOMS_PER_BATCH, embed_block
from lib.models import EncoderConfig, random_encoder
from lib.paths import ROOT


WAYS = ("frozen", "embedding", "joint")
JITTER = 0.1  # Å: about the amplitude of thermal vibration


def jittered(structure: str, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z (atom,), residue (atom,) and positions (frame, atom, 3) float32 Å around a structure of lib/make/start."""
    start = mdtraj.load(str(ROOT / "lib" / "make" / "start" / f"{structure}.pdb"))
    z = np.array([atom.element.atomic_number for atom in start.topology.atoms])
    residue = np.array([atom.residue.index for atom in start.topology.atoms])
    jitter = np.random.default_rng(seed).normal(0, JITTER, (count, len(z), 3))
    return z, residue, (start.xyz * 10 + jitter).astype(np.float32)


def prepared(
    way: str, config: EncoderConfig, structure: str, pairs: int, batches: int = 1, seed: int = 0, **mixer
) -> Callable[[], object]:
    """A function that trains on `batches` batches of `pairs` pairs of frames, or embeds the frames once.

    way: "frozen", a mixer on tokens that are there; "embedding", makes those; "joint", encoder and mixer in one lobe,
    which is fine-tuning as well: it costs the same from whatever start. mixer: name and options as in make_mixer.
    The function's attribute `lobe` holds what is trained, if anything. Raises ValueError for another word.
    """
    if way not in WAYS:
        raise ValueError(f"way is {way!r}, expected one of {', '.join(WAYS)}")
    z, residue, pos = jittered(structure, batches * pairs + 1, seed)
    make = partial(random_encoder, config)
    embed = partial(embed_block, make(seed), z, pos, residue, lambda t: t, max(1, ATOMS_PER_BATCH // len(z)))
    if way == "embedding":
        return embed
    data = embed().numpy() if way == "frozen" else pos
    network = token_network(**mixer) if way == "frozen" else encoder_network(make, z, residue, pos[:8], **mixer)
    buffers, settings = Buffers([data], None, 1), Settings(batch=pairs)
    generator = torch.Generator().manual_seed(seed)
    lobe = network(*(m.numpy() for m in buffers.moments()), settings, generator)
    optimiser = torch.optim.AdamW(lobe.parameters(), lr=1e-5)
    run = lambda: train_epoch(lobe, optimiser, buffers, 1, generator, settings)  # noqa: E731
    run.lobe = lobe
    return run

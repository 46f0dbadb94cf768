"""A lobe that holds the encoder itself: atoms in, tokens, a token mixer; for fine-tuning and joint training (P2)."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from lib.dynamics.vampnet import Network
from lib.embed.tokens import ATOMS_PER_BATCH
from lib.mixers import Mixer, make_mixer
from lib.models.encoder import Encoder
from lib.models.readout import pool


CALIBRATION = 64  # frames whose tokens standardise the input of the mixer


class EncoderLobe(nn.Module):
    """Positions (frame, atom, 3) Å -> encoder -> sums over residues -> mixer -> (frame, output).

    Frames go through a few at a time: temporaries stay in the cache, and without gradients the memory is that of a
    few frames. What is kept for the gradients grows with the batch.
    """

    def __init__(self, encoder: Encoder, z: np.ndarray, residue: np.ndarray, mixer: Mixer):
        super().__init__()
        self.encoder, self.mixer = encoder, mixer
        encoder.head = nn.Identity()  # the denoising head has no part in this
        self.register_buffer("z", torch.as_tensor(z))
        self.register_buffer("residue", torch.as_tensor(residue))

    def forward(self, frames: Tensor) -> Tensor:
        if frames.shape[1:] != (len(self.z), 3):
            raise ValueError(f"frames have the shape {tuple(frames.shape)}, expected (frame, {len(self.z)}, 3)")
        step = max(1, ATOMS_PER_BATCH // len(self.z))
        return torch.cat([self.mixer(self.tokens(part)) for part in frames.split(step)])

    def tokens(self, frames: Tensor) -> Tensor:
        """Positions (frame, atom, 3) Å -> (frame, residue, 4, H)."""
        batch = torch.arange(len(frames), device=frames.device).repeat_interleave(len(self.z))
        scalars, vectors = self.encoder(self.z.repeat(len(frames)), frames.flatten(0, 1), batch)
        return pool(torch.cat([scalars[:, None], vectors], 1), self.residue, len(frames))


def encoder_network(
    make_encoder: Callable[[int], Encoder],
    z: np.ndarray,
    residue: np.ndarray,
    calibration: np.ndarray,
    name: str = "none",
    **options,
) -> Network:
    """Makes the lobe for the fits on positions; for `network` of `vampnet.fit`.

    make_encoder: an encoder of its own for a seed, pre-trained or random. z, residue: (atom,). calibration: positions
    (frame, atom, 3) Å of training frames; the tokens that the encoder has of them at the start standardise the mixer's
    input. name, options: of the mixer, as in make_mixer.
    """
    settled = {"make_encoder": make_encoder, "z": z, "residue": residue, "calibration": calibration}
    return partial(make_lobe, **settled, name=name, options=options)


def make_lobe(mean, spread, settings, generator, make_encoder, z, residue, calibration, name, options) -> EncoderLobe:
    """The lobe, with weights fixed by the generator; mean and spread, of positions, are of no use here."""
    seed = int(torch.randint(2**31, (), generator=generator))
    encoder = make_encoder(seed)
    tokens = len(np.unique(residue))
    mixer = make_mixer(name, encoder.config.hidden, tokens, settings.outputs, seed=seed, **options)
    lobe = EncoderLobe(encoder, z, residue, mixer)
    spaced = calibration[:: max(1, len(calibration) // CALIBRATION)][:CALIBRATION]
    with torch.no_grad():
        mixer.embedding.calibrate(lobe.tokens(torch.from_numpy(spaced)))
    return lobe

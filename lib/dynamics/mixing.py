"""A token mixer as the lobe of a VAMPnet or of SPIB: what it needs of a frame travels as one array."""

from functools import partial

import numpy as np
import torch
from torch import nn

from lib.dynamics.vampnet import CONSTANT, Network
from lib.mixers import Mixer, folded, make_mixer
from lib.mixers.gvp import SubGVP
from lib.mixers.merging import TokenMerging


TOKENS = 2000  # that go through a mixer at once on a CPU


def with_positions(tokens: np.ndarray, ca: np.ndarray) -> np.ndarray:
    """Tokens (frame, token, 4, H) and CA positions (frame, token, 3) Å as (frame, token, 4, H + 1) float32.

    The last channel is a vector, the position from the centre of the frame's CA atoms, and no scalar. Raises ValueError
    for shapes that do not belong together.
    """
    if tokens.ndim != 4 or tokens.shape[2] != 4 or ca.shape != (*tokens.shape[:2], 3):
        raise ValueError(
            f"tokens {tokens.shape} and CA positions {ca.shape}, expected (frame, token, 4, H) and (frame, token, 3)"
        )
    last = np.zeros((*tokens.shape[:3], 1), np.float32)
    last[:, :, 1:, 0] = ca - ca.mean(1, keepdims=True)
    return np.concatenate([tokens.astype(np.float32, copy=False), last], axis=3)


class TokenLobe(nn.Module):
    """A mixer that takes frames (frame, token, 4, H), or (frame, token, 4, H + 1) with their positions.

    Frames go through a few at a time, so that what one operation makes is still in the cache for the next.
    """

    def __init__(self, mixer: Mixer, positions: bool):
        super().__init__()
        self.mixer, self.positions = mixer, positions

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        step = max(1, TOKENS // frames.shape[1]) if frames.device.type == "cpu" else len(frames)
        return torch.cat([self.outputs(part) for part in frames.split(step)])

    def outputs(self, frames: torch.Tensor) -> torch.Tensor:
        """As forward, for all the frames at once."""
        if self.positions:
            return self.mixer(frames[..., :-1], frames[:, :, 1:, -1])
        return folded.outputs(self.mixer, frames) if folded.foldable(self.mixer) else self.mixer(frames)


def without_convolution(mixer: Mixer) -> Mixer:
    """The mixer itself, with tokens merged as they are: the convolution right before the merging is taken out.

    One variant of P3's figure. Raises ValueError for a mixer that does not merge.
    """
    merging = [i for i, stage in enumerate(mixer.stages) if isinstance(stage, TokenMerging)]
    if not merging or not isinstance(mixer.stages[merging[0] - 1], SubGVP):
        raise ValueError("the mixer has no convolution before a merging, expected a window of at least 2 tokens")
    del mixer.stages[merging[0] - 1]
    mixer.needs_ca = mixer.embedding.coordinates or mixer.distances is not None
    return mixer


def token_network(name: str, positions: bool = False, convolution: bool = True, **options) -> Network:
    """Makes the lobe from the mixer `name` of lib.mixers; options: as in make_mixer. For `network` of the fits.

    positions: whether frames carry their CA positions, see `with_positions`. convolution: whether tokens see their
    neighbours before they are merged, see `without_convolution`.
    """
    return partial(make_lobe, name=name, positions=positions, convolution=convolution, options=options)


def make_lobe(
    mean, spread, settings, generator, name: str, positions: bool, convolution: bool, options: dict
) -> TokenLobe:
    """The lobe for features with this mean and spread (token, 4, H), weights fixed by the generator."""
    tokens, _, channels = mean.shape
    seed = int(torch.randint(2**31, (), generator=generator))
    mixer = make_mixer(name, channels - positions, tokens, settings.outputs, seed=seed, **options)
    if not convolution and options.get("window", 1) > 1:
        without_convolution(mixer)
    # Pooled over tokens; vectors are divided only, a shift would break equivariance.
    squares, centre, embedding = np.square(mean) + np.square(spread), mean[:, 0].mean(0), mixer.embedding
    deviation = usable(np.sqrt(np.maximum(squares[:, 0].mean(0) - centre**2, 0)))
    extent = usable(np.sqrt(squares[:, 1:].sum(1).mean(0)))
    for buffer, values in ((embedding.mean, centre), (embedding.spread, deviation), (embedding.extent, extent)):
        buffer.copy_(torch.as_tensor(values[: len(buffer)]))
    return TokenLobe(mixer, positions)


def usable(sizes: np.ndarray) -> np.ndarray:
    """The sizes (channel,) to divide by: 1 where a channel is constant."""
    return np.where(sizes > CONSTANT * sizes.max(), sizes, 1.0)

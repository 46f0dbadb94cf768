"""From tokens to scalars and vectors of the mixer's width, and from those back to invariants."""

import math

import torch
from torch import Tensor, nn

from lib.models.heads import GatedEquivariantBlock


NM = 10.0  # Å: coordinates of a protein in nm are of order 1
CONSTANT = 1e-4  # a channel with less spread than this part of the largest is treated as constant
FLOOR = 1e-30  # of a squared length: keeps the gradient of the length finite at 0


def length(vectors: Tensor) -> Tensor:
    """Length of each channel's vector: (..., 3, W) -> (..., W)."""
    return vectors.square().sum(-2).clamp_min(FLOOR).sqrt()


def centre_of(points: Tensor, present: Tensor) -> Tensor:
    """Mean (frame, 3) over the present (frame, token) of points (frame, token, 3); 0 where none is."""
    return (points * present.unsqueeze(-1)).sum(1) / present.sum(1, keepdim=True).clamp_min(1)


class TokenEmbedding(nn.Module):
    """Standardised channels, mixed linearly: scalars with a bias, vectors without.

    coordinates: take the centred CA positions as one more vector channel, as P3 packs them. positions: add sinusoids of
    a token's place in the sequence to its scalars, without which no mixer but SubMixer knows the order of the tokens.
    """

    def __init__(self, channels: int, width: int, coordinates: bool, positions: bool):
        super().__init__()
        self.coordinates, self.positions = coordinates, positions
        self.scalar = nn.Linear(channels, width)
        self.vector = nn.Linear(channels + coordinates, width, bias=False)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("spread", torch.ones(channels))
        self.register_buffer("extent", torch.tensor([1.0] * channels + [NM] * coordinates))

    @torch.no_grad()
    def calibrate(self, tokens: Tensor, ca: Tensor | None = None, present: Tensor | None = None) -> None:
        """Take mean and spread of the scalars and the root mean square length of the vectors from training tokens.

        Arguments as in Mixer.forward. Vectors are divided only: a shift would break equivariance. A channel without
        any spread is left as it is.
        """
        present = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device) if present is None else present
        scalars, vectors = tokens[:, :, 0][present], self.vectors(tokens, ca, present)[present]
        self.mean.copy_(scalars.mean(0))
        for buffer, size in ((self.spread, scalars.std(0)), (self.extent, vectors.square().sum(1).mean(0).sqrt())):
            buffer.copy_(torch.where(size > CONSTANT * size.max(), size, 1.0))

    def forward(self, tokens: Tensor, ca: Tensor | None, present: Tensor) -> tuple[Tensor, Tensor]:
        """(frame, token, 4, H), (frame, token, 3) Å, (frame, token) -> (frame, token, W), (frame, token, 3, W)."""
        scalars = self.scalar((tokens[:, :, 0] - self.mean) / self.spread)
        if self.positions:
            scalars = scalars + sinusoids(*scalars.shape[1:]).to(scalars)
        return scalars, self.vector(self.vectors(tokens, ca, present) / self.extent)

    def vectors(self, tokens: Tensor, ca: Tensor | None, present: Tensor) -> Tensor:
        """Vector channels (frame, token, 3, H), with the centred positions as the last when they are used."""
        if not self.coordinates:
            return tokens[:, :, 1:]
        centred = ca - centre_of(ca, present).unsqueeze(1)
        return torch.cat([tokens[:, :, 1:], centred.unsqueeze(-1)], dim=-1)


def sinusoids(tokens: int, width: int) -> Tensor:
    """(token, width) sines and cosines of the place in the sequence (Vaswani et al. 2017, section 3.5)."""
    rates = torch.exp(-math.log(10000.0) * torch.arange(0, width, 2) / width)
    angles = torch.arange(tokens).unsqueeze(1) * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]


class Invariants(nn.Module):
    """Scalars and lengths of vectors, after one gated equivariant block (P2's read-out of a token); normalised."""

    def __init__(self, width: int):
        super().__init__()
        self.block = GatedEquivariantBlock(width, width, activate=True)
        self.lengths = nn.Linear(width, width, bias=False)
        self.out = nn.Sequential(nn.Linear(2 * width, width), nn.LayerNorm(width))

    def forward(self, scalars: Tensor, vectors: Tensor) -> Tensor:
        """(frame, token, W), (frame, token, 3, W) -> (frame, token, W)."""
        mixed, turned = self.block(scalars.flatten(0, 1), vectors.flatten(0, 1))
        mixed = self.out(torch.cat([mixed, length(self.lengths(turned))], dim=-1))
        return mixed.unflatten(0, scalars.shape[:2])


class DistanceToken(nn.Module):
    """One token for the whole frame, from all CA pair distances (P2's global token); its pairs are in token order."""

    def __init__(self, tokens: int, width: int):
        super().__init__()
        self.register_buffer("pairs", torch.triu_indices(tokens, tokens, 1), persistent=False)
        self.layers = nn.Sequential(nn.Linear(self.pairs.shape[1], width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, ca: Tensor, present: Tensor) -> Tensor:
        """ca (frame, token, 3) Å, present (frame, token) -> (frame, 1, W); a pair with an absent token counts as 0."""
        first, second = self.pairs
        distance = (ca[:, first] - ca[:, second]).norm(dim=-1) / NM
        return self.layers(torch.where(present[:, first] & present[:, second], distance, 0.0)).unsqueeze(1)

"""Mixing of invariant tokens without attention: plain summation, and SubMixer, an MLP-Mixer over tokens (P2)."""

from torch import Tensor, nn


class Sum(nn.Module):
    """Sum over the present tokens: no mixing at all."""

    def __init__(self, width: int, depth: int, heads: int, tokens: int, dropout: float):
        super().__init__()

    def forward(self, scalars: Tensor, present: Tensor) -> Tensor:
        """(frame, token, W), (frame, token) -> (frame, W)."""
        return (scalars * present.unsqueeze(-1)).sum(1)


class SubMixer(nn.Module):
    """MLP-Mixer (Tolstikhin et al. 2021) for a fixed number of tokens, whose order matters; mean over tokens."""

    def __init__(self, width: int, depth: int, heads: int, tokens: int, dropout: float):
        super().__init__()
        self.blocks = nn.ModuleList([MixerBlock(width, tokens, dropout) for _ in range(depth)])

    def forward(self, scalars: Tensor, present: Tensor) -> Tensor:
        """(frame, token, W), (frame, token) -> (frame, W)."""
        present = present.unsqueeze(-1)
        for block in self.blocks:
            scalars = block(scalars, present)
        return (scalars * present).sum(1) / present.sum(1).clamp_min(1)


class MixerBlock(nn.Module):
    """An MLP over tokens, of inner width W, then one over channels, of 2 W; each pre-norm with a residual."""

    def __init__(self, width: int, tokens: int, dropout: float):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.along = nn.Sequential(nn.Linear(tokens, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, tokens))
        self.across = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )

    def forward(self, scalars: Tensor, present: Tensor) -> Tensor:
        along = self.along((self.norms[0](scalars) * present).transpose(1, 2))
        scalars = scalars + along.transpose(1, 2)
        return scalars + self.across(self.norms[1](scalars))

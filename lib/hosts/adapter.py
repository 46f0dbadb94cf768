"""The slot through which tokens of a frozen encoder enter any host: LayerNorm(W token), beside the residue features."""

import torch
from torch import Tensor, nn

from lib.hosts.proteins import Proteins


class Adapter(nn.Module):
    """(R, T) -> (R, width). Hosts concatenate the result to what they know of a residue.

    Every control goes through the same slot: a batch without tokens gets zeros, so that all arms of a comparison have
    the same parameters. Tokens are standardised first, with the mean and deviation of the training residues.
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.channels, self.width = channels, width
        self.linear = nn.Linear(channels, width)
        self.norm = nn.LayerNorm(width)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))

    def standardise(self, tokens: Tensor) -> None:
        """Take mean and deviation from these tokens (R, T); a channel that never changes is left as it is."""
        self.mean.copy_(tokens.mean(0))
        spread = tokens.std(0)
        self.deviation.copy_(torch.where(spread > 1e-6, spread, torch.ones_like(spread)))

    def forward(self, batch: Proteins) -> Tensor:
        """Raises ValueError for tokens of another width."""
        absent = batch.tokens is None
        tokens = batch.atoms.new_zeros(len(batch.kind), self.channels) if absent else batch.tokens
        if tokens.shape != (len(batch.kind), self.channels):
            raise ValueError(
                f"tokens have the shape {tuple(tokens.shape)}, expected {(len(batch.kind), self.channels)}"
            )
        return self.norm(self.linear((tokens - self.mean) / self.deviation))

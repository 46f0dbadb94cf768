"""Read-outs on top of an encoder."""

import torch
from torch import Tensor, nn


class GatedEquivariantBlock(nn.Module):
    """Mix scalars and vectors: vectors are gated by scalars, scalars see the vectors' norms (PaiNN, fig. 3)."""

    def __init__(self, hidden: int, out: int, activate: bool):
        super().__init__()
        self.activate = activate
        self.vec1_proj = nn.Linear(hidden, hidden, bias=False)
        self.vec2_proj = nn.Linear(hidden, out, bias=False)
        self.update_net = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, 2 * out))

    def forward(self, scalars: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """scalars (atom, hidden), vectors (atom, 3, hidden) -> (atom, out), (atom, 3, out)."""
        # the floor keeps the gradient of the norm finite at 0
        norm = self.vec1_proj(vectors).square().sum(1).clamp_min(1e-30).sqrt()
        scalars, gate = self.update_net(torch.cat([scalars, norm], dim=-1)).chunk(2, dim=-1)
        vectors = gate.unsqueeze(1) * self.vec2_proj(vectors)
        return nn.functional.silu(scalars) if self.activate else scalars, vectors


class DenoisingHead(nn.Module):
    """Two gated blocks that predict the noise on every atom, in units of its standard deviation."""

    def __init__(self, hidden: int):
        super().__init__()
        self.output_network = nn.ModuleList(
            [GatedEquivariantBlock(hidden, hidden // 2, True), GatedEquivariantBlock(hidden // 2, 1, False)]
        )

    def forward(self, scalars: Tensor, vectors: Tensor) -> Tensor:
        """scalars (atom, hidden), vectors (atom, 3, hidden) -> (atom, 3)."""
        for block in self.output_network:
            scalars, vectors = block(scalars, vectors)
        return vectors.squeeze(-1)

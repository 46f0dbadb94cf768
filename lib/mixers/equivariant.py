"""Equivariant self-attention (P3): one set of weights, made from scalars, averages scalars and vectors alike.

What makes it equivariant in fact, and each frame independent of the others in the batch: a vector is only ever scaled
by invariants of its own token, mixed with other channels, or averaged over tokens; x, y and z are never told apart.
"""

import torch
from torch import Tensor, nn

from lib.mixers.attention import Attention
from lib.mixers.embedding import length


class VectorNorm(nn.Module):
    """Bound the vectors of a token: divide by sqrt(floor + mean square length over its channels), scale each channel.

    With the floor of 1 vectors are never made longer. Division by the bare length, as in a layer norm, would turn a
    vector that cancels up to rounding into one of length 1, and a network could learn from rounding errors.
    """

    def __init__(self, width: int):
        super().__init__()
        self.floor = 1.0
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, vectors: Tensor) -> Tensor:
        """(..., 3, W) -> (..., 3, W)."""
        square = vectors.square().sum(-2, keepdim=True).mean(-1, keepdim=True)
        return vectors * torch.rsqrt(square + self.floor) * self.scale


class VectorDropout(nn.Module):
    """Dropout of whole vectors: all three components of a channel, or none."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, vectors: Tensor) -> Tensor:
        """(..., 3, W) -> (..., 3, W)."""
        return vectors * nn.functional.dropout(torch.ones_like(vectors[..., :1, :]), self.p, self.training)


class EquivariantBlock(nn.Module):
    """Pre-norm attention with gated vectors, then a gated feed-forward part; both add to scalars and vectors.

    With a, V the averages of the other tokens' scalars and vectors, and own products d = (W1 v) . (W2 v) and lengths
    n = |v|: s += d o1 + n o2 + o3, where [o1|o2|o3] = Wo a, and v += sigmoid(Wg [d|n]) V. Our choice: the averaged
    vectors have linear maps before and after, as the scalars have, so that any width goes with any number of heads.
    """

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.scalar_norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.vector_norms = nn.ModuleList([VectorNorm(width) for _ in range(2)])
        self.attention = Attention(width, heads)
        self.vector_in = nn.Linear(width, self.attention.inner, bias=False)
        self.vector_out = nn.Linear(self.attention.inner, width, bias=False)
        self.products = nn.Linear(width, 2 * width, bias=False)
        self.gate = nn.Linear(2 * width, width)
        self.out = nn.Linear(self.attention.inner, 3 * width)
        self.expand = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU())
        self.contract = nn.Linear(2 * width, 2 * width)
        self.turn = nn.Linear(width, width, bias=False)
        self.drop, self.drop_vectors = nn.Dropout(dropout), VectorDropout(dropout)

    def forward(self, scalars: Tensor, vectors: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """(frame, token, W), (frame, token, 3, W), (frame, token) -> the same shapes, without the last."""
        s, v = self.scalar_norms[0](scalars), self.vector_norms[0](vectors)
        mixed, turned = self.attention(s, present, self.vector_in(v))
        first, second = self.products(v).chunk(2, dim=-1)
        dot, norm = (first * second).sum(-2), length(v)
        out1, out2, out3 = self.out(mixed).chunk(3, dim=-1)
        gate = torch.sigmoid(self.gate(torch.cat([dot, norm], dim=-1))).unsqueeze(-2)
        scalars = scalars + self.drop(dot * out1 + norm * out2 + out3)
        vectors = vectors + self.drop_vectors(gate * self.vector_out(turned))
        s, v = self.scalar_norms[1](scalars), self.vector_norms[1](vectors)
        change, gate = self.contract(self.expand(s)).chunk(2, dim=-1)
        return (
            scalars + self.drop(change),
            vectors + self.drop_vectors(torch.sigmoid(gate).unsqueeze(-2) * self.turn(v)),
        )


class EquivariantAttention(nn.Module):
    """Blocks of equivariant self-attention; order of tokens does not matter but for what their scalars say of it."""

    def __init__(self, width: int, depth: int, heads: int, dropout: float):
        super().__init__()
        self.blocks = nn.ModuleList([EquivariantBlock(width, heads, dropout) for _ in range(depth)])
        self.scalar_norm, self.vector_norm = nn.LayerNorm(width), VectorNorm(width)

    def forward(self, scalars: Tensor, vectors: Tensor, ca: Tensor | None, present: Tensor):
        """(frame, token, W), (frame, token, 3, W), ca and present, which are handed on."""
        for block in self.blocks:
            scalars, vectors = block(scalars, vectors, present)
        return self.scalar_norm(scalars), self.vector_norm(vectors), ca, present

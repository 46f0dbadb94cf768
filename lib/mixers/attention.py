"""Softmax attention between tokens, and SubFormer: a transformer over invariant tokens with a class token (P2)."""

import torch
from torch import Tensor, nn


FUSED = 256  # tokens from which on a fused kernel takes over: it does not keep the weights between all pairs of them


class Attention(nn.Module):
    """Multi-head attention with weights from scalars, which average scalars and, if there are any, vectors.

    Any width goes with any number of heads: the inner width is the multiple of the heads nearest to the outer one.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads, self.inner = heads, heads * max(1, round(width / heads))
        self.query = nn.Linear(width, self.inner)
        self.key = nn.Linear(width, self.inner, bias=False)  # the softmax takes a bias of the keys out again
        self.value = nn.Linear(width, self.inner)

    def by_head(self, values: Tensor) -> Tensor:
        """(frame, token, ..., inner) -> (frame, head, token, ... size)."""
        return values.unflatten(-1, (self.heads, -1)).movedim(-2, 1).flatten(3)

    def weights(self, scalars: Tensor, present: Tensor) -> Tensor:
        """(frame, token, W), (frame, token) -> (frame, head, token, token); rows sum to 1 over the present tokens."""
        query, key = self.by_head(self.query(scalars)), self.by_head(self.key(scalars))
        logits = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        return logits.masked_fill(~present[:, None, None], -torch.inf).softmax(-1)

    def forward(self, scalars: Tensor, present: Tensor, vectors: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """(frame, token, W), (frame, token), (frame, token, 3, inner) -> averages of inner width, the same shapes."""
        values = self.value(scalars).unsqueeze(-2)
        if vectors is not None:
            values = torch.cat([values, vectors], dim=-2)  # (frame, token, 1 + 3, inner): one pass for all rows
        query, key = self.by_head(self.query(scalars)), self.by_head(self.key(scalars))
        rows, scale = self.by_head(values), None
        if vectors is not None and scalars.shape[1] >= FUSED:
            # Fused kernels want rows of one length for queries, keys and values; zeros add nothing to a product.
            scale, missing = query.shape[-1] ** -0.5, rows.shape[-1] - query.shape[-1]
            query, key = nn.functional.pad(query, (0, missing)), nn.functional.pad(key, (0, missing))
        mixed = nn.functional.scaled_dot_product_attention(
            query, key, rows, attn_mask=present[:, None, None], scale=scale
        )
        mixed = mixed.unflatten(-1, (values.shape[-2], -1)).movedim(1, -2).flatten(-2)
        return mixed[..., 0, :], None if vectors is None else mixed[..., 1:, :]


class SubFormer(nn.Module):
    """Post-norm transformer encoder, feed-forward width 2 W, read out at a learned class token."""

    def __init__(self, width: int, depth: int, heads: int, tokens: int, dropout: float):
        super().__init__()
        self.summary = nn.Parameter(0.02 * torch.randn(width))  # small, or its residual would hide what it gathers
        self.blocks = nn.ModuleList([TransformerBlock(width, heads, dropout) for _ in range(depth)])

    def forward(self, scalars: Tensor, present: Tensor) -> Tensor:
        """(frame, token, W), (frame, token) -> (frame, W), the class token, which is token 0 in the attention."""
        scalars = torch.cat([self.summary.expand(len(scalars), 1, -1), scalars], dim=1)
        present = nn.functional.pad(present, (1, 0), value=True)
        for block in self.blocks:
            scalars = block(scalars, present)
        return scalars[:, 0]


class TransformerBlock(nn.Module):
    """Attention and feed-forward part, each with a residual and a layer norm after it."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.attention = Attention(width, heads)
        self.out = nn.Linear(self.attention.inner, width)
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.drop = nn.Dropout(dropout)

    def forward(self, scalars: Tensor, present: Tensor) -> Tensor:
        mixed, _ = self.attention(scalars, present)
        scalars = self.norms[0](scalars + self.drop(self.out(mixed)))
        return self.norms[1](scalars + self.drop(self.feed(scalars)))


@torch.no_grad()
def attention_maps(
    mixer: nn.Module, tokens: Tensor, ca: Tensor | None = None, present: Tensor | None = None
) -> list[Tensor]:
    """Attention weights (frame, head, query, key) of each layer of a mixer; empty for one without attention.

    In a SubFormer query and key 0 are the class token, a distance token comes last.
    """
    maps = []
    hooks = [
        module.register_forward_pre_hook(lambda layer, inputs: maps.append(layer.weights(*inputs[:2])))
        for module in mixer.modules()
        if isinstance(module, Attention)
    ]
    try:
        mixer(tokens, ca, present)
    finally:
        for hook in hooks:
            hook.remove()
    return maps

"""The mixers by name, with one signature: mixer(tokens, ca, present) -> outputs."""

import torch
from torch import Tensor, nn

from lib.mixers.attention import SubFormer
from lib.mixers.embedding import DistanceToken, Invariants, TokenEmbedding
from lib.mixers.equivariant import EquivariantAttention
from lib.mixers.gvp import SubGVP
from lib.mixers.merging import TokenMerging
from lib.mixers.mlp import SubMixer, Sum


# name -> what mixes scalars and vectors, what then mixes invariants
MIXERS = {
    "none": (None, Sum),
    "subformer": (None, SubFormer),
    "submixer": (None, SubMixer),
    "subgvp": (SubGVP, Sum),
    "submixer-gvp": (SubGVP, SubMixer),
    "subformer-gvp": (SubGVP, SubFormer),
    "attention": (EquivariantAttention, Sum),
}


class Mixer(nn.Module):
    """Tokens -> scalars and vectors -> equivariant stages -> invariants -> one row a frame -> outputs.

    No part sees more than one frame (no batch norm, unlike the authors' head): a frame's output does not depend on
    the others of the batch. tokens: the number of tokens that a frame must have; None for any.
    """

    def __init__(self, embedding, stages, invariants, distances, sequence, head, tokens: int | None):
        super().__init__()
        self.embedding, self.stages, self.invariants = embedding, stages, invariants
        self.distances, self.sequence, self.head = distances, sequence, head
        self.tokens = tokens
        self.needs_ca = embedding.coordinates or distances is not None or any(isinstance(s, SubGVP) for s in stages)

    def forward(self, tokens: Tensor, ca: Tensor | None = None, present: Tensor | None = None) -> Tensor:
        """tokens (frame, token, 4, H), row 0 scalar, rows 1 to 3 x y z; ca (frame, token, 3) Å; present (frame, token)
        bool, where False marks a token that is not there -> (frame, output), invariant to rotation and translation.

        Raises ValueError for other shapes, for a frame without any token, and for a missing ca when the mixer needs it.
        """
        if present is None:
            present = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        elif not bool(present.any(1).all()):
            raise ValueError(f"no token is present in {int((~present.any(1)).sum())} of {len(present)} frames")
        scalars, vectors, _, here = self.equivariant(tokens, ca, present)
        scalars = self.invariants(scalars, vectors)
        if self.distances is not None:
            scalars = torch.cat([scalars, self.distances(ca, present)], dim=1)
            here = nn.functional.pad(here, (0, 1), value=True)
        return self.head(self.sequence(scalars, here))

    def equivariant(self, tokens: Tensor, ca: Tensor | None, present: Tensor):
        """The scalars (frame, token, W) and vectors (frame, token, 3, W) that the invariants are read from, with the
        ca and present of these tokens, fewer than came in when they were merged.
        """
        self.check(tokens, ca)
        state = (*self.embedding(tokens, ca, present), ca, present)
        for stage in self.stages:
            state = stage(*state)
        return state

    def check(self, tokens: Tensor, ca: Tensor | None) -> None:
        """Raise ValueError for shapes that do not belong together."""
        channels = self.embedding.scalar.in_features
        if tokens.dim() != 4 or tokens.shape[2:] != (4, channels):
            raise ValueError(f"tokens have the shape {tuple(tokens.shape)}, expected (frame, token, 4, {channels})")
        if self.tokens not in (None, tokens.shape[1]):
            raise ValueError(
                f"a frame has {tokens.shape[1]} tokens, expected {self.tokens}: the mixer was made for them"
            )
        if ca is None and self.needs_ca:
            raise ValueError("ca is None, expected CA positions (frame, token, 3) in Å: this mixer needs them")
        if ca is not None and ca.shape != (*tokens.shape[:2], 3):
            raise ValueError(f"ca has the shape {tuple(ca.shape)}, expected {(*tokens.shape[:2], 3)}")


def make_mixer(
    name: str,
    channels: int,
    tokens: int,
    outputs: int,
    width: int = 64,
    depth: int = 4,
    heads: int = 8,
    window: int = 1,
    positions: bool | None = None,
    distances: bool = False,
    dropout: float = 0.1,
    seed: int = 0,
) -> Mixer:
    """A mixer of MIXERS with weights fixed by the seed.

    channels: H of the tokens; tokens: number of them in a frame; depth: layers of each mixing part. window: merge so
    many consecutive tokens into one (P3), after a convolution on the CA graph. positions: add the place in the
    sequence to the tokens; by default where there is attention, as in the authors' code since October 2024.
    distances: add a token made from all CA distances. Raises ValueError for an unknown name or a size below 1.
    """
    if name not in MIXERS:
        raise ValueError(f"mixer {name!r} is not one of {', '.join(MIXERS)}")
    if min(channels, tokens, outputs, width, depth, heads, window) < 1:
        raise ValueError(
            f"channels {channels}, tokens {tokens}, outputs {outputs}, width {width}, depth {depth}, heads {heads} "
            f"and window {window} must all be at least 1"
        )
    geometric, sequence = MIXERS[name]
    attends = geometric is EquivariantAttention or sequence is SubFormer
    positions = attends if positions is None else positions
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stages = [geometric(width, depth, heads, dropout)] if geometric else []
        if window > 1:
            local = [stages.pop()] if geometric is SubGVP else [SubGVP(width, 1, heads, dropout)]
            stages = [*local, TokenMerging(width, window), *stages]
        left = -(-tokens // window) + distances
        return Mixer(
            TokenEmbedding(channels, width, geometric is EquivariantAttention, positions),
            nn.ModuleList(stages),
            Invariants(width),
            DistanceToken(tokens, width) if distances else None,
            sequence(width, depth, heads, left, dropout),
            nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, outputs)),
            tokens if sequence is SubMixer or distances else None,
        )


def parameter_count(module: nn.Module) -> int:
    """Number of trainable numbers."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def matched_width(
    name: str, target: int, channels: int, tokens: int, outputs: int, tolerance: float = 0.05, **options
) -> int:
    """The width at which a mixer has nearest to `target` parameters; options as in make_mixer.

    Raises ValueError when no width comes within the relative tolerance.
    """

    def count(width: int) -> int:
        with torch.device("meta"):  # shapes only
            return parameter_count(make_mixer(name, channels, tokens, outputs, width, **options))

    low, high = 1, 2
    while count(high) < target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < target else (low, middle)
    best = min((low, high), key=lambda width: abs(count(width) - target))
    if abs(count(best) / target - 1) > tolerance:
        raise ValueError(
            f"no width gives mixer {name!r} within {tolerance:.0%} of {target} parameters; nearest is width {best} "
            f"with {count(best)}"
        )
    return best

"""A mixer of invariants with its first linear maps multiplied together: fewer products a token, the same result."""

import torch
from torch import Tensor
from torch.nn.functional import linear, silu

from lib.mixers.embedding import length, sinusoids
from lib.mixers.mixer import Mixer


def foldable(mixer: Mixer) -> bool:
    """Whether nothing stands between the embedding and the invariants, and tokens bring all vectors themselves."""
    return len(mixer.stages) == 0 and not mixer.embedding.coordinates and mixer.distances is None


def outputs(mixer: Mixer, tokens: Tensor) -> Tensor:
    """What a foldable mixer gives for tokens (frame, token, 4, H), all present: (frame, output), but for rounding.

    Standardising and the embedding are linear, and so is what the invariants do first: their products are taken over
    weights, once, and not over tokens. Raises ValueError for tokens that the mixer was not made for.
    """
    mixer.check(tokens, None)
    embedding, invariants = mixer.embedding, mixer.invariants
    block, width = invariants.block, invariants.block.vec1_proj.in_features
    vectors = torch.cat([block.vec1_proj.weight, block.vec2_proj.weight]) @ (embedding.vector.weight / embedding.extent)
    first, second = linear(tokens[:, :, 1:], vectors).chunk(2, dim=-1)
    into, after = block.update_net[0], block.update_net[2]
    of_scalars, of_lengths = into.weight.split(width, dim=1)
    scalars = embedding.scalar.weight / embedding.spread
    shift = embedding.scalar.bias - scalars @ embedding.mean
    if embedding.positions:
        shift = shift + sinusoids(tokens.shape[1], width).to(tokens)
    hidden = linear(tokens[:, :, 0], of_scalars @ scalars) + linear(length(first), of_lengths, into.bias)
    mixed, gate = after(silu(hidden + shift @ of_scalars.T)).chunk(2, dim=-1)
    turned = invariants.lengths(gate.unsqueeze(-2) * second)
    mixed = invariants.out(torch.cat([silu(mixed), length(turned)], dim=-1))
    return mixer.head(mixer.sequence(mixed, tokens.new_ones(tokens.shape[:2], dtype=torch.bool)))

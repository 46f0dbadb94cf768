"""Frozen encoder -> tokens: the features of each residue in each frame, streamed to disk and computed once."""

from lib.embed.cached import all_tokens, tokens
from lib.embed.tokens import embed_frames


__all__ = ["all_tokens", "embed_frames", "tokens"]

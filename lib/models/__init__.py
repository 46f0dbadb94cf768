"""Equivariant encoders: (z, pos) -> scalars (atom, H) and vectors (atom, 3, H)."""

from lib.models.checkpoint import load_encoder, read_provenance, save_encoder
from lib.models.config import EncoderConfig
from lib.models.encoder import Encoder, random_encoder


__all__ = ["Encoder", "EncoderConfig", "load_encoder", "random_encoder", "read_provenance", "save_encoder"]

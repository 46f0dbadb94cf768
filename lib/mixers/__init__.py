"""Token mixers: tokens (frame, token, 4, H) of a frozen encoder -> outputs (frame, output), invariant to rotation."""

from lib.mixers.attention import attention_maps
from lib.mixers.mixer import MIXERS, Mixer, make_mixer, matched_width, parameter_count


__all__ = ["MIXERS", "Mixer", "attention_maps", "make_mixer", "matched_width", "parameter_count"]

"""One training pass of equivariant attention over a large system, for counting and timing token merging (P3)."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from lib.dynamics.mixing import without_convolution
from lib.measure.cost import globule
from lib.mixers import make_mixer


ATTENTION = ("plain", "fused")


def attending(kind: str) -> AbstractContextManager:
    """Attention that keeps all its weights, "plain", or the kernel that torch chooses, "fused" for many tokens.

    Raises ValueError for another word.
    """
    if kind not in ATTENTION:
        raise ValueError(f"attention is {kind!r}, expected one of {', '.join(ATTENTION)}")
    return sdpa_kernel(SDPBackend.MATH) if kind == "plain" else nullcontext()


def training_pass(
    tokens: int,
    window: int,
    attention: str = "fused",
    convolution: bool = True,
    seed: int = 0,
    width: int = 64,
    depth: int = 2,
    backward: bool = True,
) -> Callable[[], torch.Tensor]:
    """A function that takes one frame of so many tokens forwards, and backwards unless that is not wanted.

    window: tokens merged into one before the attention, as in make_mixer; convolution: see `without_convolution`.
    seed: of weights, of the frame (token, 4, width), which is noise, and of its CA positions, a `globule`.
    """
    mixer = make_mixer("attention", width, tokens, 3, width, depth, window=window, seed=seed)
    if window > 1 and not convolution:
        without_convolution(mixer)
    frame = torch.randn(1, tokens, 4, width, generator=torch.Generator().manual_seed(seed))
    ca = torch.from_numpy(globule(tokens, seed)).unsqueeze(0)

    def run() -> torch.Tensor:
        mixer.zero_grad(set_to_none=True)
        with attending(attention), torch.random.fork_rng(devices=[]), torch.set_grad_enabled(backward):
            torch.manual_seed(seed)  # of dropout
            outputs = mixer(frame, ca)
            if backward:
                outputs.sum().backward()
        return outputs.detach()

    return run

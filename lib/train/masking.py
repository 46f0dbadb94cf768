"""A second objective beside denoising: name the elements of atoms that are hidden (node masking, Hu et al. 2020).

A reviewer of P1 asked for it; the paper has coordinate denoising alone.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lib.data.loader import Batch
from lib.models.config import EMBEDDING_ROWS
from lib.models.encoder import Encoder
from lib.train import denoise


HIDDEN = 0  # no element has this atomic number, so its row of the embedding is free
SHARE = 0.15  # of the atoms (Hu et al. 2020)


class MaskedEncoder(nn.Module):
    """An encoder with a linear head that names the element of an atom from its scalars."""

    def __init__(self, encoder: Encoder, seed: int):
        super().__init__()
        self.encoder = encoder
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.elements = nn.Linear(encoder.config.hidden, EMBEDDING_ROWS)

    def denoise(self, z: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        """What the encoder alone predicts when it sees every element (atom, 3)."""
        return self.encoder.denoise(z, pos, batch)


def hide(batch: Batch, share: float, generator: torch.Generator) -> Tensor:
    """Which atoms (atom,) bool are hidden; every rank draws for the whole batch and keeps its own."""
    drawn = torch.rand(batch.before + len(batch.z) + batch.after, generator=generator, device=batch.z.device)
    return drawn[batch.before : batch.before + len(batch.z)] < share


def loss(
    model: MaskedEncoder,
    batch: Batch,
    generator: torch.Generator,
    sigma: float = denoise.SIGMA,
    weight: float = 0.1,
    share: float = SHARE,
) -> Tensor:
    """Denoising error in units of sigma² plus `weight` times the cross-entropy (nats) of the hidden elements.

    Both are asked of one pass over noisy positions with hidden elements. The cross-entropy is summed over hidden atoms
    and divided by `share` times all atoms, which makes it a mean over atoms, as several ranks need it.
    """
    noisy, target = denoise.displace(batch.pos, sigma, generator, batch.before, batch.after)
    hidden = hide(batch, share, generator)
    scalars, vectors = model.encoder(batch.z.masked_fill(hidden, HIDDEN), noisy, batch.batch)
    error = (model.encoder.head(scalars, vectors) - target).square().mean()
    if share == 0:
        return error
    named = cross_entropy(model.elements(scalars[hidden]), batch.z[hidden], reduction="sum")
    return error + weight * named / (share * len(hidden))


@torch.no_grad()
def accuracy(model: MaskedEncoder, loader, share: float = SHARE, seed: int = 0) -> float:
    """Share of hidden atoms whose element is named rightly, on clean positions."""
    generator = torch.Generator(device=loader.device).manual_seed(seed)
    right = asked = 0
    for batch in loader.in_order():
        hidden = hide(batch, share, generator)
        scalars, _ = model.encoder(batch.z.masked_fill(hidden, HIDDEN), batch.pos, batch.batch)
        right += int((model.elements(scalars[hidden]).argmax(-1) == batch.z[hidden]).sum())
        asked += int(hidden.sum())
    return right / max(asked, 1)

"""What a cap on the number of neighbours leaves of a molecule's edges and of an encoder's symmetry."""

import torch
from torch import Tensor

from lib.models.encoder import Encoder
from lib.models.graph import neighbours


def dropped(pos: Tensor, cutoff: float, rule: str) -> tuple[float, float]:
    """Fraction of the directed edges that a rule drops from one frame pos (atom, 3) Å, and of the atoms that lose any.

    An edge is an atom seen by another one within the cutoff (Å), or by itself, as the cap counts them.
    """
    batch = torch.zeros(len(pos), dtype=torch.long)
    all_of, left = (
        torch.bincount(neighbours(pos, batch, cutoff, r).edges()[0], minlength=len(pos)) for r in ("all", rule)
    )
    return 1 - float(left.sum() / all_of.sum()), float((left < all_of).float().mean())


@torch.no_grad()
def order_error(encoder: Encoder, z: Tensor, pos: Tensor, seed: int) -> float:
    """Relative change of the scalars of one frame when its atoms are listed in another order; 0 is wanted.

    z: (atom,) long, pos: (atom, 3) Å; the order is drawn by `seed`.
    """
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(seed))
    return _change(_scalars(encoder, z, pos, order), _scalars(encoder, z, pos))


@torch.no_grad()
def rotation_error(encoder: Encoder, z: Tensor, pos: Tensor, seed: int, spatial: bool) -> float:
    """Relative change of the scalars of one frame when it is rotated; 0 is wanted.

    spatial: list the atoms along the x axis before and after. A search in space, by cells or by a k-d tree, meets them
    in an order of that kind, which a rotation changes; otherwise they keep the order that they came in.
    """
    generator = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    turned = pos @ (turn * torch.linalg.det(turn)).T.to(pos)
    before, after = (_scalars(encoder, z, p, p[:, 0].argsort() if spatial else None) for p in (pos, turned))
    return _change(after, before)


def _scalars(encoder: Encoder, z: Tensor, pos: Tensor, order: Tensor | None = None) -> Tensor:
    """Scalars (atom, H) of one frame, computed in the order given and put back into the first one."""
    order = torch.arange(len(z)) if order is None else order
    return encoder(z[order], pos[order], torch.zeros_like(z))[0][order.argsort()]


def _change(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())

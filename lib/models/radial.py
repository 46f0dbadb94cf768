"""Functions of the distance alone: the cosine cutoff and the exponential-normal radial basis."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import threshold


def cosine_cutoff(distance: Tensor, cutoff: float) -> Tensor:
    """C(r) = (cos(pi r / R) + 1) / 2 inside the cutoff R and 0 outside; distance in Å, any shape."""
    return torch.where(distance < cutoff, 0.5 * (torch.cos(distance * (math.pi / cutoff)) + 1), 0.0)


class ExpNormalBasis(nn.Module):
    """Gaussians in exp(-5 r / R) times the cosine cutoff, with fixed centres and widths (PhysNet, eqs 7-8)."""

    def __init__(self, size: int, cutoff: float):
        super().__init__()
        self.cutoff = cutoff
        start = math.exp(-cutoff)
        self.register_buffer("means", torch.linspace(start, 1, size))
        self.register_buffer("betas", torch.full((size,), (2 / size * (1 - start)) ** -2))

    def forward(self, distance: Tensor) -> Tensor:
        """distance: (pair,) Å -> (pair, rbf)."""
        squeezed = torch.exp(distance * (-5 / self.cutoff)).unsqueeze(-1)
        gauss = torch.exp(-self.betas * (squeezed - self.means) ** 2)
        values = cosine_cutoff(distance, self.cutoff).unsqueeze(-1) * gauss
        # Products that come out subnormal take some processors a hundred times as long as others: none of these do.
        return threshold(values, math.sqrt(torch.finfo(values.dtype).tiny), 0.0)

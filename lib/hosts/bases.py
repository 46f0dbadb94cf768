"""Distances and angles as numbers a network can use: spherical Bessel functions times spherical harmonics (DimeNet).

Closed forms for the orders 0 and 1 that ProNet uses; scipy gives the roots.
"""

import itertools
import math

import torch
from scipy.optimize import brentq
from scipy.special import spherical_jn
from torch import Tensor, nn


ORDERS = 2  # l = 0 and 1


def roots(order: int, count: int) -> list[float]:
    """The first positive zeros of the spherical Bessel function j_l; those of l interlace with those of l - 1."""
    if order == 0:
        return [math.pi * n for n in range(1, count + 1)]
    ends = roots(order - 1, count + 1)
    return [brentq(lambda x: spherical_jn(order, x), low, high) for low, high in itertools.pairwise(ends)]


def bessel(order: int, x: Tensor) -> Tensor:
    """j_0 or j_1 of x, by its closed form, or its series near 0, where that loses all digits."""
    small = x.abs() < 1e-2
    safe = torch.where(small, torch.ones_like(x), x)
    if order == 0:
        return torch.where(small, 1 - x**2 / 6, safe.sin() / safe)
    return torch.where(small, x / 3 - x**3 / 30, safe.sin() / safe**2 - safe.cos() / safe)


class Radial(nn.Module):
    """j_l(z_ln d / c) / norm for l = 0, 1 and n = 1 to `count`: orthonormal on the ball of radius c = 1."""

    def __init__(self, count: int, cutoff: float):
        super().__init__()
        self.cutoff = cutoff
        zeros = [roots(order, count) for order in range(ORDERS)]
        norms = [[math.sqrt(2) / abs(spherical_jn(i + 1, z)) for z in row] for i, row in enumerate(zeros)]
        self.register_buffer("zeros", torch.tensor(zeros, dtype=torch.float32))
        self.register_buffer("norms", torch.tensor(norms, dtype=torch.float32))

    def forward(self, distance: Tensor) -> Tensor:
        """(edge,) Å -> (edge, l, n)."""
        x = (distance / self.cutoff).view(-1, 1) * self.zeros.flatten()
        x = x.unflatten(1, self.zeros.shape)
        return self.norms * torch.stack([bessel(order, x[:, order]) for order in range(ORDERS)], 1)


def zonal(tau: Tensor) -> Tensor:
    """(edge, 2): the real spherical harmonics Y_00 and Y_10 of a polar angle."""
    constant = torch.full_like(tau, 0.5 / math.sqrt(math.pi))
    return torch.stack([constant, math.sqrt(3 / (4 * math.pi)) * tau.cos()], -1)


def harmonics(theta: Tensor, phi: Tensor) -> Tensor:
    """(edge, 4): the real spherical harmonics Y_00, Y_1-1, Y_10, Y_11."""
    scale = math.sqrt(3 / (4 * math.pi))
    sine = theta.sin()
    return torch.cat(
        [
            torch.full_like(theta, 0.5 / math.sqrt(math.pi)).unsqueeze(-1),
            scale * torch.stack([sine * phi.sin(), theta.cos(), sine * phi.cos()], -1),
        ],
        -1,
    )


def torsion_basis(radial: Tensor, tau: Tensor) -> Tensor:
    """(edge, 2 n): radial part (edge, 2, n) of order l times Y_l0 of an angle."""
    return (radial * zonal(tau).unsqueeze(-1)).flatten(1)


def sphere_basis(radial: Tensor, theta: Tensor, phi: Tensor) -> Tensor:
    """(edge, 4 n): radial part (edge, 2, n) of order l times each Y_lm."""
    of_order = radial[:, [0, 1, 1, 1]]
    return (of_order * harmonics(theta, phi).unsqueeze(-1)).flatten(1)


def positions(offset: Tensor, size: int) -> Tensor:
    """(edge, size): cosines and sines of distances along the sequence, at wavelengths that grow up to 10,000."""
    rates = torch.exp(torch.arange(0, size, 2, device=offset.device) * (-math.log(10_000) / size))
    angles = offset.to(rates).unsqueeze(-1) * rates
    return torch.cat([angles.cos(), angles.sin()], -1)

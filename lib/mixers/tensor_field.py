"""Networks on spherical tensors up to an order L, made of e3nn's parts: what P3 compares with in its k-fold test.

A layer of a tensor field network (TFN, Thomas et al. 2018, arXiv 1802.08219) averages messages of one neighbour each.
A layer of MACE (Batatia et al. 2022, arXiv 2206.07697, equations 8 to 11) multiplies such averages, so that it sees
several neighbours at once. Here products are cut at order L as well, and every atom is the same element.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from e3nn import nn as e3
from e3nn import o3
from e3nn.math import soft_one_hot_linspace
from torch import Tensor, nn

from lib.mixers.expressivity import CUTOFF, Classifier, seeded
from lib.models.graph import neighbours


BASIS, RADIAL = 8, 16  # radial functions, and width of the network on them


def tensors(channels: int, order: int) -> o3.Irreps:
    """So many scalars, vectors, ... tensors of order L, with the parity of spherical harmonics."""
    return o3.Irreps([(channels, (degree, (-1) ** degree)) for degree in range(order + 1)])


def product(first: o3.Irreps, second: o3.Irreps, kept: o3.Irreps, how: str) -> o3.TensorProduct:
    """Every product of a block of `first` with one of `second` whose order and parity occur in `kept`.

    how: e3nn's word for what channels do, "uvu" for one channel in `second`, "uuu" for as many in both.
    """
    degrees = {block.ir for block in kept}
    paths = [
        (i, j, a.mul, out)
        for i, a in enumerate(first)
        for j, b in enumerate(second)
        for out in a.ir * b.ir
        if out in degrees
    ]
    instructions = [(i, j, k, how, True) for k, (i, j, _, _) in enumerate(paths)]
    own = how == "uuu"  # weights of a product with itself are learned, those of a message come from the distance
    return o3.TensorProduct(
        first, second, [(mul, out) for *_, mul, out in paths], instructions, internal_weights=own, shared_weights=own
    )


class Layer(nn.Module):
    """Messages averaged over neighbours, multiplied up to `body` at a time, added to what the atom had."""

    def __init__(self, before: o3.Irreps, after: o3.Irreps, harmonics: o3.Irreps, body: int):
        super().__init__()
        self.message = product(before, harmonics, after, "uvu")
        self.radial = e3.FullyConnectedNet([BASIS, RADIAL, self.message.weight_numel], nn.functional.silu)
        self.gather = o3.Linear(self.message.irreps_out, after)
        self.keep = o3.Linear(before, after)
        self.multiply = nn.ModuleList(product(after, after, after, "uuu") for _ in range(body - 1))
        self.collect = nn.ModuleList(o3.Linear(each.irreps_out, after) for each in self.multiply)

    def forward(self, features: Tensor, harmonics: Tensor, radial: Tensor, edges: Tensor) -> Tensor:
        """features (node, D), harmonics and radial functions of each edge, edges (2, edge) to, from -> (node, D')."""
        to, origin = edges
        sent = self.message(features[origin], harmonics, self.radial(radial))
        count = torch.bincount(to, minlength=len(features)).clamp(min=1).unsqueeze(1)
        mean = features.new_zeros(len(features), sent.shape[1]).index_add(0, to, sent) / count
        update = power = basis = self.gather(mean)
        for multiply, collect in zip(self.multiply, self.collect):
            power = collect(multiply(power, basis))
            update = update + power
        whole = self.keep(features) + update
        return whole / (1 + whole.square().mean(1, keepdim=True)).sqrt()


class TensorField(nn.Module):
    """Layers on tensors up to `order`, each of `channels`; atoms within 7.5 Å are neighbours.

    body: 1 for TFN, 3 as MACE has by default.
    """

    def __init__(self, layers: int, order: int, channels: int, body: int):
        super().__init__()
        self.channels, self.harmonics = channels, o3.Irreps.spherical_harmonics(order)
        inner = tensors(channels, order)
        sizes = [tensors(channels, 0)] + [inner] * layers
        self.layers = nn.ModuleList(Layer(a, b, self.harmonics, body) for a, b in pairwise(sizes))

    def forward(self, pos: Tensor) -> tuple[Tensor, Tensor]:
        """pos (frame, atom, 3) Å -> scalars (frame, atom, C), components of all other tensors (frame, atom, C D)."""
        frames, atoms = pos.shape[:2]
        batch = torch.arange(frames, device=pos.device).repeat_interleave(atoms)
        graph = neighbours(pos.flatten(0, 1), batch, CUTOFF)
        edges = torch.stack([torch.cat(ends) for ends in ((graph.first, graph.second), (graph.second, graph.first))])
        unit, distance = torch.cat([graph.unit, -graph.unit]), graph.distance.repeat(2)
        harmonics = o3.spherical_harmonics(self.harmonics, unit, normalize=False, normalization="component")
        radial = soft_one_hot_linspace(distance, 0.0, CUTOFF, BASIS, "smooth_finite", cutoff=True) * BASIS**0.5
        features = pos.new_ones(frames * atoms, self.channels)
        for layer in self.layers:
            features = layer(features, harmonics, radial, edges)
        features = features.unflatten(0, (frames, atoms))
        return features[..., : self.channels], features[..., self.channels :]


@contextmanager
def float64() -> Iterator[None]:
    """New numbers are float64: e3nn rounds its coefficients to the default, and .double() does not bring them back."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def tensor_classifier(layers: int, order: int, channels: int, body: int, seed: int) -> Classifier:
    """An untrained network on tensors and a classifier on their components, float64."""
    with torch.random.fork_rng(devices=[]), float64():
        torch.manual_seed(seed)
        field = TensorField(layers, order, channels, body)
    return seeded(field, channels, True, seed, components=(order + 1) ** 2)

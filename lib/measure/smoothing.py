"""Why a deeper or wider encoder may gain nothing: atoms that come to look alike, and atoms that do not hear each other.

Over-smoothing: Dirichlet energy and pairwise cosine of the atoms' features, layer by layer. Under-reaching: how far
away the atoms are to which the features of an atom respond (Jacobian).
"""

import torch
from torch import Tensor

from lib.models.encoder import Encoder


def flat(features: Tensor) -> Tensor:
    """(atom, ...) -> (atom, channels) float64; raises ValueError for fewer than two atoms."""
    if len(features) < 2:
        raise ValueError(f"features of {len(features)} atoms, expected at least 2 to compare")
    return features.detach().double().reshape(len(features), -1)


def dirichlet_energy(features: Tensor, first: Tensor, second: Tensor) -> float:
    """Sum over pairs of |x_i - x_j|² over the sum of |x_i|² + |x_j|²: 0 alike, 1 uncorrelated, 2 opposite.

    features: (atom, ...); first, second: (pair,) long. The division makes it blind to the scale of the features, which
    grows from layer to layer. NaN where all features are 0 or there is no pair.
    """
    x = flat(features)
    a, b = x[first], x[second]
    return float((a - b).square().sum() / (a.square().sum() + b.square().sum()))


def cosines(features: Tensor) -> Tensor:
    """(atom,) mean cosine between the features (atom, ...) of each atom and those of all others; NaN for a zero one."""
    x = flat(features)
    unit = x / x.norm(dim=1, keepdim=True)
    return (unit @ unit.sum(0) - 1) / (len(x) - 1)


def windows(residue: Tensor, length: int) -> Tensor:
    """(atom,) window of each atom when consecutive runs of `length` residues are separate graphs.

    residue: (atom,) long from 0, ascending. Raises ValueError for a length below 1 or residues out of order.
    """
    if length < 1:
        raise ValueError(f"windows of {length} residues, expected at least 1")
    if (residue[1:] < residue[:-1]).any():
        raise ValueError("residues are not in ascending order, expected the atoms of each window side by side")
    return residue // length


@torch.no_grad()
def by_layer(encoder: Encoder, z: Tensor, pos: Tensor, batch: Tensor, first: Tensor, second: Tensor) -> list[dict]:
    """Energy and mean cosine of scalars and vectors after the embedding, after every layer, and as given out.

    z, pos (Å), batch: what the encoder sees. first, second: (pair,) pairs that the energy is over, the same for every
    graph that is to be compared. One {"layer", "kind", "energy", "cosine"} for each; the layer of what is given out,
    after the last normalisation, is "output".
    """
    rows = []
    named = [*enumerate(encoder.layers(z, pos, batch)), ("output", encoder(z, pos, batch))]
    for layer, both in named:
        for kind, x in zip(("scalars", "vectors"), both):
            row = {"layer": layer, "kind": kind, "energy": dirichlet_energy(x, first, second)}
            rows.append(row | {"cosine": float(cosines(x).mean())})
    return rows


def influence(output: Tensor, source: Tensor, atom: int, probes: int, generator: torch.Generator) -> Tensor:
    """(atom,) how strongly the features of one atom respond to each atom of `source`.

    output: (atom, ...) of a differentiable function of source: (atom, ...). The estimate of the Frobenius norm of the
    block of the Jacobian is the root mean square over random unit-variance combinations of the outputs.
    """
    total = torch.zeros(len(source), dtype=torch.float64)
    for _ in range(probes):
        combination = torch.randn(output[atom].shape, generator=generator, dtype=torch.float64).to(output)
        (gradient,) = torch.autograd.grad((output[atom] * combination).sum(), source, retain_graph=True)
        total += gradient.double().reshape(len(source), -1).square().sum(1)
    return (total / probes).sqrt()


def reach(strength: Tensor, distance: Tensor, atom: int) -> float:
    """Mean distance of the other atoms, weighted by the influence that they have on one atom; NaN without any.

    strength, distance: (atom,). It is the range of Bamberger et al. (2025), in the unit of distance.
    """
    others = torch.arange(len(strength)) != atom
    strength, distance = strength[others].double(), distance[others].double()
    return float((strength * distance).sum() / strength.sum())


def ranges(encoder: Encoder, z: Tensor, pos: Tensor, atoms: list[int], probes: int = 4, seed: int = 0) -> list[dict]:
    """How far the scalars of each of `atoms` reach after every layer, with respect to positions and to features.

    One frame z (atom,), pos (atom, 3) Å. One {"layer", "atom", "to", "reach"} in Å for each; "strength" is the
    influence (atom,) of every atom. Features are those after the embedding, which for ViSNet are not local.
    """
    generator = torch.Generator().manual_seed(seed)
    moved = pos.clone().requires_grad_()
    layers = encoder.layers(z, moved, torch.zeros_like(z))
    rows = []
    for layer, (scalars, _) in enumerate(layers[1:], 1):
        for atom in atoms:
            distance = (pos - pos[atom]).norm(dim=1)
            for to, source in (("positions", moved), ("features", layers[0][0])):
                strength = influence(scalars, source, atom, probes, generator)
                row = {"layer": layer, "atom": atom, "to": to, "reach": reach(strength, distance, atom)}
                rows.append(row | {"strength": strength})
    return rows

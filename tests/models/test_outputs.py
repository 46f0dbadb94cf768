"""Read-outs: what they are by hand, and the laws that they obey."""

import sys
from pathlib import Path

import pytest
import torch
from rdkit.Chem import GetPeriodicTable

from lib.models.outputs import OUTPUTS, output


sys.path.append(str(Path(__file__).parent))
from physics import close, jiggled, molecules, rotation


HIDDEN = 8


def features(atoms, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((atoms, HIDDEN), (atoms, 3, HIDDEN))
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def read(kind):
    return jiggled(output(kind, HIDDEN, 0).double()).requires_grad_(False)


def by_hand(kind, head, x, v, z, pos, batch):
    """One molecule after the other, in loops."""
    found = []
    for k in range(int(batch[-1]) + 1):
        own = batch == k
        mass = torch.tensor([GetPeriodicTable().GetAtomicWeight(int(n)) for n in z[own]], dtype=torch.float64)
        apart = pos[own] - (mass[:, None] * pos[own]).sum(0) / mass.sum()
        scalar, vector = head.atoms(x[own], v[own])
        if kind == "sum":
            found.append(scalar.sum())
        elif kind == "dipole":
            found.append(sum(q * r + mu for q, r, mu in zip(scalar, apart, vector)).norm())
        else:
            found.append(sum(q * (r @ r) for q, r in zip(scalar, apart)))
    return torch.stack(found)


@pytest.mark.parametrize("kind", OUTPUTS)
def test_read_out_is_its_formula(kind):
    z, pos, batch = molecules()
    x, v = features(len(z))
    head = read(kind)
    assert close(head(x, v, z, pos, batch), by_hand(kind, head, x, v, z, pos, batch), 1e-12)


@pytest.mark.parametrize("kind", OUTPUTS)
def test_turning_and_moving_the_molecules_changes_nothing(kind):
    z, pos, batch = molecules()
    x, v = features(len(z))
    head, turn = read(kind), -rotation()  # with a reflection
    shift = torch.tensor([[3.0, -5, 1]], dtype=torch.float64)
    moved = head(x, torch.einsum("ij,ajh->aih", turn, v), z, pos @ turn.T + shift, batch)
    assert close(moved, head(x, v, z, pos, batch), 1e-12)


@pytest.mark.parametrize("kind", OUTPUTS)
def test_the_order_of_the_atoms_does_not_matter(kind):
    z, pos, batch = molecules((9,))
    x, v = features(9)
    head, order = read(kind), torch.randperm(9, generator=torch.Generator().manual_seed(2))
    assert close(head(x[order], v[order], z[order], pos[order], batch), head(x, v, z, pos, batch), 1e-12)


def test_a_dipole_is_not_negative_and_has_a_gradient_at_zero():
    head = read("dipole")
    z, pos, batch = molecules((1,))
    x, v = features(1)
    v.zero_()  # one atom in its own centre, without a vector
    x.requires_grad_()
    value = head(x, v, z, pos, batch)
    assert 0 <= float(value.detach()) < 1e-12
    value.sum().backward()
    assert torch.isfinite(x.grad).all()


def test_the_seed_fixes_the_weights():
    one, same, other = (output("dipole", HIDDEN, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["output_network.0.vec1_proj.weight"], other["output_network.0.vec1_proj.weight"])
    assert not any("masses" in name for name in one)
    with pytest.raises(ValueError, match="'gate' is not one of sum, dipole, extent"):
        output("gate", HIDDEN, 0)

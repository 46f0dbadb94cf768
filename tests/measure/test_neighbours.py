"""What a cap drops, counted by hand, and which rule keeps which symmetry."""

import pytest
import torch

from lib.measure.neighbours import dropped, order_error, rotation_error
from lib.models import EncoderConfig, random_encoder


@pytest.fixture
def molecule():
    """27 atoms on a jittered lattice of 1.3 Å: each sees more than 9 others within 3 Å but for the corners."""
    generator = torch.Generator().manual_seed(0)
    grid = torch.cartesian_prod(*[torch.arange(3.0, dtype=torch.float64)] * 3) * 1.3
    pos = grid + 0.1 * torch.randn(27, 3, generator=generator, dtype=torch.float64)
    return torch.tensor([1, 6, 8])[torch.randint(3, (27,), generator=generator)], pos


def encoder(rule):
    config = EncoderConfig(layers=2, hidden=16, rbf=16, cutoff=3.0, heads=4)
    return random_encoder(config, 0, rule).double().eval()


@pytest.mark.parametrize("rule", ["nearest-8", "index-8"])
def test_what_a_cap_drops_is_counted_atom_by_atom(molecule, rule):
    _, pos = molecule
    degrees = [sum(float((a - b).norm()) < 3 for b in pos) for a in pos]
    edges, atoms = dropped(pos, 3.0, rule)
    assert edges == pytest.approx(sum(max(0, d - 8) for d in degrees) / sum(degrees))
    assert atoms == pytest.approx(sum(d > 8 for d in degrees) / len(degrees))
    assert edges > 0.1
    assert dropped(pos, 3.0, "all") == (0, 0)


@pytest.mark.parametrize("rule", ["all", "nearest-8"])
def test_rules_by_geometry_keep_every_symmetry(molecule, rule):
    assert order_error(encoder(rule), *molecule, seed=0) < 1e-12
    for spatial in (False, True):
        assert rotation_error(encoder(rule), *molecule, seed=0, spatial=spatial) < 1e-12


def test_a_cap_by_index_keeps_rotations_but_not_the_order(molecule):
    capped = encoder("index-8")
    assert rotation_error(capped, *molecule, seed=0, spatial=False) < 1e-12
    assert rotation_error(capped, *molecule, seed=0, spatial=True) > 0.01
    assert order_error(capped, *molecule, seed=0) > 0.01
    assert order_error(capped, *molecule, seed=0) == order_error(capped, *molecule, seed=0)

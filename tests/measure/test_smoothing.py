import numpy as np
import pytest
import torch

from lib.measure.smoothing import by_layer, cosines, dirichlet_energy, influence, ranges, reach, windows
from lib.models import EncoderConfig, random_encoder


def features(atoms=6, channels=4, seed=0):
    return torch.randn(atoms, channels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def all_pairs(atoms):
    return torch.triu_indices(atoms, atoms, 1)


def test_energy_and_cosine_of_equal_features():
    same = torch.ones(5, 3) * torch.tensor([1.0, -2.0, 0.5])
    assert dirichlet_energy(same, *all_pairs(5)) == 0
    torch.testing.assert_close(cosines(same), torch.ones(5, dtype=torch.float64))


def test_averaging_over_a_complete_graph_smooths_in_one_step():
    x = features()
    half = 0.5 * x + 0.5 * x.mean(0)
    assert 0 < dirichlet_energy(half, *all_pairs(6)) < dirichlet_energy(x, *all_pairs(6))
    assert dirichlet_energy(x.mean(0).expand(6, 4), *all_pairs(6)) == pytest.approx(0, abs=1e-12)


def test_energy_of_opposite_and_of_orthogonal_neighbours():
    first, second = torch.tensor([0]), torch.tensor([1])
    assert dirichlet_energy(torch.tensor([[1.0, 0], [-1, 0]]), first, second) == 2
    assert dirichlet_energy(torch.eye(2), first, second) == 1
    assert np.isnan(dirichlet_energy(torch.zeros(2, 3), first, second))


def test_scale_and_rotation_leave_both_as_they_are():
    vectors = features(6, 12).reshape(6, 3, 4)
    turn = torch.linalg.qr(features(3, 3, seed=1))[0]
    turned = 7 * torch.einsum("xy,ayc->axc", turn, vectors)
    assert dirichlet_energy(turned, *all_pairs(6)) == pytest.approx(dirichlet_energy(vectors, *all_pairs(6)))
    torch.testing.assert_close(cosines(turned), cosines(vectors))


def test_cosines_are_those_of_the_pairs():
    x = features()
    expected = [np.mean([float(torch.cosine_similarity(x[i], x[j], 0)) for j in range(6) if j != i]) for i in range(6)]
    np.testing.assert_allclose(cosines(x), expected)


def test_windows_are_runs_of_residues():
    assert windows(torch.tensor([0, 0, 1, 2, 2, 3]), 2).tolist() == [0, 0, 0, 1, 1, 1]
    with pytest.raises(ValueError, match="windows of 0 residues"):
        windows(torch.tensor([0, 1]), 0)
    with pytest.raises(ValueError, match="not in ascending order"):
        windows(torch.tensor([1, 0]), 1)


def test_one_atom_cannot_be_compared():
    with pytest.raises(ValueError, match="1 atoms, expected at least 2"):
        cosines(torch.ones(1, 3))


def test_influence_is_the_norm_of_the_jacobian_block():
    weight, x = features(4, 4, seed=2), features().requires_grad_()
    strength = influence(x @ weight, x, 2, probes=4000, generator=torch.Generator().manual_seed(0))
    assert strength[2] == pytest.approx(float(weight.norm()), rel=0.05)
    assert strength[[0, 1, 3, 4, 5]].abs().max() == 0


def test_reach_on_a_path_graph():
    """Averaging over neighbours l times carries no more than l steps, with binomial weights."""
    path = torch.eye(9, dtype=torch.float64)
    step = 0.5 * (path.roll(1, 0) + path.roll(-1, 0))
    step[0, -1] = step[-1, 0] = 0
    x, place = torch.zeros(9, 1, dtype=torch.float64, requires_grad=True), torch.arange(9.0)
    output = x
    for layers in (1, 2, 3):
        output = step @ output
        strength = influence(output, x, 4, 1, torch.Generator().manual_seed(0))
        reached = torch.nonzero(strength)[:, 0]
        assert (reached - 4).abs().max() == layers
        expected = {1: 1, 2: 2, 3: (2 * 3 + 6 * 1) / 8}[
            layers
        ]  # weights (1 3 3 1) / 8 at 3 1 1 3; the atom itself aside
        assert reach(strength, (place - 4).abs(), 4) == pytest.approx(expected)


@pytest.mark.parametrize("architecture", ["et", "visnet"])
def test_an_encoder_reaches_no_further_than_layers_times_cutoff(architecture):
    encoder = random_encoder(EncoderConfig(architecture, layers=2, hidden=8, rbf=8, cutoff=2.0), 0).double()
    pos = torch.zeros(9, 3, dtype=torch.float64)
    pos[:, 0] = 1.5 * torch.arange(9)
    pos[1::2, 1] = 0.3  # no atom lies on a line of mirrors, where gradients may vanish
    z = torch.tensor([6, 1, 8, 7, 6, 8, 6, 7, 1])
    rows = ranges(encoder, z, pos, [4], probes=2)
    assert {(row["layer"], row["to"]) for row in rows} == {(n, to) for n in (1, 2) for to in ("positions", "features")}
    for row in rows:
        hops = torch.nonzero(row["strength"] > 1e-12)[:, 0] - 4
        first = architecture == "visnet"  # its embedding already sees the neighbours
        assert hops.abs().max() <= row["layer"] + first
        if row["to"] == "features":
            assert hops.abs().max() == row["layer"]


def test_windows_cannot_hear_each_other_and_layers_are_listed():
    encoder = random_encoder(EncoderConfig("et", layers=2, hidden=8, rbf=8, cutoff=4.0), 0)
    pos = torch.rand(10, 3, generator=torch.Generator().manual_seed(0)) * 6
    z, first = torch.tensor([6, 8] * 5), all_pairs(10)
    rows = by_layer(encoder, z, pos, torch.zeros_like(z), *first)
    assert [row["layer"] for row in rows[::2]] == [0, 1, 2, "output"]
    whole, cut = encoder(z, pos, torch.zeros_like(z))[0], encoder(z, pos, windows(torch.arange(10), 5))[0]
    own = encoder(z[:5], pos[:5], torch.zeros_like(z[:5]))[0]
    torch.testing.assert_close(cut[:5], own)
    assert not torch.allclose(whole[:5], own)

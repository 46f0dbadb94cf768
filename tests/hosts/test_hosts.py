"""Hosts: symmetries, independence of the batch, published sizes, the slot for tokens, augmentation."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from lib.hosts.adapter import Adapter
from lib.hosts.pronet import CLOSEST, CUTOFF, LEVELS, ProNet, edges
from lib.hosts.proteins import MASKED, Augmentation, proteins
from lib.hosts.sequence import SequenceHost


HOSTS = {level: lambda adapter=None, level=level: ProNet(3, level, adapter, hidden=16, blocks=2) for level in LEVELS}
HOSTS["sequence"] = lambda adapter=None: SequenceHost(3, adapter, hidden=16)


@pytest.fixture(scope="module")
def batch(domains):
    tokens = np.random.default_rng(1).normal(size=(len(domains.kind), 8)).astype(np.float32)
    return proteins(domains, tokens)


def host(name, adapter=None):
    torch.manual_seed(0)
    return HOSTS[name](adapter).double().eval()


def doubled(batch):
    tokens = None if batch.tokens is None else batch.tokens.double()
    return replace(batch, atoms=batch.atoms.double(), tokens=tokens)


@pytest.mark.parametrize("name", HOSTS)
class TestSymmetry:
    def test_rotation_and_translation_change_nothing(self, name, batch):
        model, still = host(name), doubled(batch)
        turn = torch.from_numpy(Rotation.random(random_state=3).as_matrix())
        moved = replace(still, atoms=still.atoms @ turn.T + torch.tensor([30.0, -7, 12]))
        torch.testing.assert_close(model(moved), model(still), rtol=1e-7, atol=1e-8)

    def test_a_mirror_image_is_another_protein(self, name, batch):
        model, still = host(name), doubled(batch)
        mirrored = replace(still, atoms=still.atoms * torch.tensor([1.0, 1, -1]))
        assert (model(mirrored) - model(still)).abs().max() > 1e-3

    def test_a_protein_does_not_depend_on_the_others_of_its_batch(self, name, batch):
        model, still = host(name), doubled(batch)
        together = model(still)
        for i in range(len(still)):
            torch.testing.assert_close(model(still.pick(torch.tensor([i])))[0], together[i], rtol=1e-7, atol=1e-8)
        order = torch.tensor([4, 0, 4, 2])
        torch.testing.assert_close(model(still.pick(order)), together[order], rtol=1e-7, atol=1e-8)

    def test_gradients_reach_every_weight(self, name, batch):
        model = host(name, Adapter(8, 4))
        model(doubled(batch)).square().sum().backward()
        assert not [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]

    def test_tokens_matter_and_an_empty_slot_costs_no_parameters(self, name, batch):
        model = host(name, Adapter(8, 4))
        still = doubled(batch)
        empty = replace(still, tokens=None)
        assert (model(still) - model(empty)).abs().max() > 1e-6
        assert model(empty).shape == (6, 3)


def test_published_shapes_and_sizes():
    """By the shapes of the published network: 128 channels, 4 blocks, filters through 64, 1195 classes."""
    hidden, middle = 128, 64
    linear = lambda inward, outward, bias=True: inward * outward + bias * outward  # noqa: E731
    for level, turns, residue in (("aminoacid", 12, 26), ("backbone", 36, 32), ("allatom", 36, 40)):
        filters = sum(linear(f, middle, False) + linear(middle, hidden, False) for f in (24, turns, 16))
        convolutions = 3 * (linear(hidden, hidden) + linear(hidden, hidden, False))
        block = filters + convolutions + linear(3 * hidden, hidden) + (5 + 2 + 2 + 1) * linear(hidden, hidden)
        head = linear(hidden, hidden) + linear(hidden, 1195)
        expected = linear(residue, hidden, residue > 26) + 4 * block + head
        model = ProNet(1195, level)
        assert sum(p.numel() for p in model.parameters()) == expected
        first = model.blocks[0]
        assert [f[0].in_features for f in first.filters] == [24, turns, 16]
        assert first.joined[0].weight.shape == (128, 384)
        assert model.head[-1].weight.shape == (1195, 128)
    body = sum(p.numel() for p in ProNet(1195, "backbone").blocks.parameters())
    assert 1.3e6 < body < 1.4e6  # "1.3 M" is published for the backbone level


def test_edges_are_the_nearest_residues_of_the_same_protein(batch):
    found = {(int(i), int(j)) for i, j in zip(*edges(batch))}
    distance = torch.cdist(batch.ca, batch.ca)
    distance[batch.domain[:, None] != batch.domain] = np.inf
    distance.fill_diagonal_(np.inf)
    expected = set()
    for i, row in enumerate(distance):
        expected |= {(i, int(j)) for j in row.argsort()[:CLOSEST] if row[j] < CUTOFF}
    assert found == expected


def test_levels_see_what_they_should(batch):
    """Turning a side chain changes the all-atom level alone; turning a peptide plane spares the amino-acid level."""
    side = batch.atoms.clone()
    side[:, 4:] += 0.7
    plane = batch.atoms.clone()
    plane[:, 0] += 0.4
    for level in LEVELS:
        model = ProNet(3, level, hidden=16, blocks=2).eval()
        at = model(batch)
        assert torch.equal(model(replace(batch, atoms=side)), at) == (level != "allatom")
        assert torch.equal(model(replace(batch, atoms=plane)), at) == (level == "aminoacid")


def test_c_alpha_alone_is_enough_for_the_first_level_and_harmless_to_the_others(batch):
    trace = torch.full_like(batch.atoms, torch.nan)
    trace[:, 1] = batch.ca
    bare = replace(batch, atoms=trace)
    for level in LEVELS:
        assert ProNet(3, level, hidden=16, blocks=1)(bare).isfinite().all()
    model = ProNet(3, "aminoacid", hidden=16, blocks=1).eval()
    assert torch.equal(model(bare), model(batch))


class TestAugmentation:
    def test_does_what_it_says(self, batch):
        draw = lambda: torch.Generator().manual_seed(0)  # noqa: E731
        hidden = Augmentation(mask=0.2)(batch, draw()).kind == MASKED
        assert 0.1 < hidden.float().mean() < 0.3
        noisy = Augmentation(noise=0.1)(batch, draw()).atoms - batch.atoms
        there = noisy[noisy.isfinite()]
        assert abs(float(there.std()) - 0.1) < 0.01
        assert there.abs().max() <= 0.3 + 1e-5
        n, ca = noisy[:, 0], noisy[:, 1]
        assert abs(float((n * ca).mean())) < 0.001, "N and CA move independently"
        stretch = (Augmentation(deform=0.1)(batch, draw()).ca / batch.ca)[batch.ca.abs().amin(1) > 0.1]
        torch.testing.assert_close(stretch, stretch[:1].expand_as(stretch))
        assert 0.9 <= stretch.min() < stretch.max() <= 1.1

    def test_torsions_follow_the_noise(self, batch):
        model = ProNet(3, "backbone", hidden=16, blocks=1)
        moved = Augmentation(noise=0.1)(batch, torch.Generator().manual_seed(0))
        assert (model.residues(moved) - model.residues(batch)).abs().max() > 0.01

    def test_noise_inside_the_network_is_for_training_only(self, batch):
        model = ProNet(3, "backbone", hidden=16, blocks=2, noise=0.025, euler_noise=0.025).eval()
        one, two = (model(batch, torch.Generator().manual_seed(s)) for s in (0, 1))
        assert torch.equal(one, two)
        model.train()
        one, two, again = (model(batch, torch.Generator().manual_seed(s)) for s in (0, 1, 0))
        assert torch.equal(one, again)
        assert not torch.equal(one, two)


class TestBadInput:
    def test_sentences(self, domains, batch):
        with pytest.raises(ValueError, match="not one of"):
            ProNet(3, "atoms")
        with pytest.raises(ValueError, match="one for each"):
            proteins(domains, np.zeros((3, 8)))
        with pytest.raises(ValueError, match="tokens have the shape"):
            ProNet(3, "backbone", Adapter(9, 4), hidden=16)(batch)

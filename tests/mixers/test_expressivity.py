"""The structures of the two tests, what theory says of them, and that the tests can be passed and failed."""

import math

import pytest
import torch

from lib.mixers.expressivity import (
    CUTOFF,
    SPACING,
    Classifier,
    EncoderBody,
    Harmonic,
    accuracy,
    accuracy_elsewhere,
    encoder_classifier,
    fit_pair,
    k_chain_pair,
    k_fold_pair,
    layers_needed,
    mixer_classifier,
)
from lib.models import EncoderConfig, random_encoder


def spectrum(pos):
    return torch.pdist(pos).sort().values


@pytest.mark.parametrize("k", [2, 3, 7])
def test_a_k_fold_pair_is_one_structure_in_two_orientations(k):
    period = 2 * math.pi / k
    first, second = k_fold_pair(k, 0.4 * period)
    assert torch.allclose(spectrum(first), spectrum(second), atol=1e-12)
    assert torch.cdist(first, second).min(1).values[1:].min() > 0.5
    turn = lambda angle: k_fold_pair(k, angle)[1]  # noqa: E731
    again = turn(0.9 * period)[1:] @ rotation(0.1 * period).T  # a whole period in two steps
    assert torch.allclose(torch.cdist(again, first[1:]).min(1).values, torch.zeros(k).double(), atol=1e-7)


def rotation(angle):
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=torch.float64)


@pytest.mark.parametrize("k", [1, 4])
def test_a_k_chain_pair_differs_between_its_ends_only(k):
    first, second = k_chain_pair(k)
    assert first.shape == (k + 2, 3)
    a, b = torch.cdist(first, first), torch.cdist(second, second)
    assert torch.allclose(a.diagonal(1), torch.full((k + 1,), SPACING).double())
    differs = (a - b).abs() > 1e-6
    assert differs.nonzero().tolist() == [[0, k + 1], [k + 1, 0]]


@pytest.mark.parametrize("layers", [2, 3])
def test_layers_needed_is_where_an_encoder_begins_to_tell_chains_apart(layers):
    near, scale = 1.7 * SPACING, 3  # the radial basis is made for cutoffs of several Å
    encoder = random_encoder(EncoderConfig("et", layers, 16, 16, scale * near), 0).double()
    found = {}
    for k in range(1, 8):
        with torch.no_grad():
            first, second = EncoderBody(encoder)(scale * k_chain_pair(k))[0].sum(1)
        found[k] = float((first - second).norm() / first.norm())
    for k, difference in found.items():
        needed = layers_needed(k, near)
        assert needed == math.ceil((k + 1) / 2) + 1
        assert (difference > 1e-13) == (needed <= layers), (k, difference)


def test_layers_needed_falls_with_the_cutoff():
    assert [layers_needed(20, c) for c in (1.2 * SPACING, CUTOFF, 100.0)] == [12, 4, 2]
    with pytest.raises(ValueError, match="cutoff 1 Å leaves the 4-chain in pieces"):
        layers_needed(4, 1.0)


@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.parametrize("kind", ["et", "tensornet", "attention", "subgvp"])
def test_equivariant_networks_cannot_name_an_orientation(kind, k):
    pair = k_fold_pair(k, math.pi / k)
    if kind in ("et", "tensornet"):
        model = encoder_classifier(kind, 2, 16, True, 0)
    else:
        model = mixer_classifier(kind, 2, 16, True, 0, pair)
    with torch.no_grad():
        first, second = model.features(pair)
        vectors = model.body(pair)[1]
    assert float((first - second).abs().max()) < 1e-10
    assert float(vectors.mean(1).abs().max()) < 1e-10
    assert float(vectors.abs().max()) > 1e-4  # each atom has its own; only their mean says nothing
    assert fit_pair(model, pair, 5, 1e-2).tolist() == [50.0] * 5


@pytest.mark.parametrize("k", [3, 7])
def test_a_tensor_of_order_k_names_the_orientation_everywhere(k):
    torch.manual_seed(0)
    pair = k_fold_pair(k, math.pi / k)
    model = Classifier(Harmonic(k), 2, True).double()
    assert fit_pair(model, pair, 60, 3e-2)[-1] == 100.0
    assert accuracy_elsewhere(model, pair, 5, 0) == 100.0
    blind = Classifier(Harmonic(k - 1), 2, True).double()
    assert fit_pair(blind, pair, 60, 3e-2)[-1] == 50.0


def test_numbered_atoms_give_the_orientation_away_until_they_are_listed_anew():
    pair = k_fold_pair(5, 0.5)
    model = encoder_classifier("et", 2, 16, True, 0, numbered=True)
    assert fit_pair(model, pair, 40, 1e-2)[-1] == 100.0
    assert accuracy_elsewhere(model, pair, 20, 0) < 80.0


def test_attention_solves_a_chain_that_is_out_of_reach_of_messages():
    pair = k_chain_pair(30)
    assert layers_needed(30, CUTOFF) > 2
    assert fit_pair(mixer_classifier("attention", 2, 16, False, 0, pair), pair, 40, 1e-2)[-1] == 100.0
    assert fit_pair(encoder_classifier("et", 2, 16, False, 0), pair, 10, 1e-2)[-1] == 50.0


def test_accuracy_counts_ties_half():
    assert accuracy(torch.tensor([[1.0, 0.0], [0.0, 1.0]])) == 100.0
    assert accuracy(torch.tensor([[1.0, 0.0], [1.0, 0.0]])) == 50.0
    assert accuracy(torch.tensor([[0.0, 1.0], [1.0, 0.0]])) == 0.0
    assert accuracy(torch.tensor([[1e-9, 0.0], [1e-9, 0.0]])) == 50.0
    assert accuracy(torch.tensor([[1e-9, 0.0], [0.0, 1.0]])) == 75.0


def test_a_fit_is_the_same_twice():
    pair = k_chain_pair(4)
    first, again = (mixer_classifier("attention", 1, 16, False, 3, pair) for _ in range(2))
    assert fit_pair(first, pair, 5, 1e-2).tolist() == fit_pair(again, pair, 5, 1e-2).tolist()
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters()))


def test_impossible_structures_are_refused():
    for k, angle in ((1, 0.1), (3, 0.0), (3, 2.2)):
        with pytest.raises(ValueError, match=r"expected at least 2 folds and an angle between 0 and 2π/k"):
            k_fold_pair(k, angle)
    with pytest.raises(ValueError, match="a chain of 0 atoms, expected at least 1"):
        k_chain_pair(0)

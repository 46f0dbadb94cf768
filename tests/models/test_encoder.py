"""What every encoder does alike: periodic boxes, features layer by layer, and one clear sentence for bad input."""

import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from lib.models import EncoderConfig, random_encoder
from lib.models.config import architectures


sys.path.append(str(Path(__file__).parent))
from physics import close, jiggled, molecules, rotation


def small(architecture, rule="all"):
    config = EncoderConfig(architecture, layers=2, hidden=16, rbf=16, cutoff=4.0, heads=4)
    return jiggled(random_encoder(config, 0, rule).double()).eval()


def test_there_are_three_architectures():
    assert architectures() == ["et", "tensornet", "visnet"]


@pytest.mark.parametrize("architecture", ["et", "visnet"])
def test_a_user_may_forbid_compiled_loops(architecture, monkeypatch):
    config = EncoderConfig(architecture, layers=1, hidden=16, rbf=16, cutoff=4.0, heads=4)
    assert random_encoder(config, 0).representation.fused
    monkeypatch.setenv("EAGER_ENCODERS", "1")
    assert not random_encoder(config, 0).representation.fused


@pytest.mark.parametrize("rule", ["all", "nearest-6", "index-6"])
@pytest.mark.parametrize("architecture", architectures())
def test_a_molecule_wrapped_across_a_periodic_boundary_keeps_its_features(architecture, rule):
    encoder = small(architecture, rule)
    z, pos, batch = molecules((12, 9))
    boxes = torch.tensor([[8.5, 9.0, 10.0], [11.0, 8.1, 9.5]], dtype=torch.float64)
    wrapped = (pos - 1.7) % boxes[batch]
    assert float((wrapped - pos + 1.7).abs().max()) > 8
    with torch.no_grad():
        whole, cut, blind = encoder(z, pos, batch, boxes), encoder(z, wrapped, batch, boxes), encoder(z, wrapped, batch)
        noise = encoder.denoise(z, pos, batch, boxes), encoder.denoise(z, wrapped, batch, boxes)
        large = encoder(z, pos, batch, torch.full((3,), 50.0))
        free = encoder(z, pos, batch)
    for a, b, wrong, c, d in zip(cut, whole, blind, large, free):
        assert close(a, b, 1e-10)
        assert not close(wrong, b, 1e-2)
        assert close(c, d, 1e-10)
    assert close(*noise, 1e-10)


@pytest.mark.parametrize("architecture", architectures())
def test_atoms_see_each_other_through_the_boundary(architecture):
    encoder = small(architecture)
    z, batch, box = torch.tensor([6, 8]), torch.zeros(2).long(), torch.tensor([9.0, 9.0, 9.0])
    pos = torch.tensor([[0.2, 1, 1], [8.8, 1, 1]], dtype=torch.float64)
    near = torch.tensor([[0.2, 1, 1], [-0.2 + 1e-12, 1, 1]], dtype=torch.float64)
    encoder.check = False  # 0.4 Å apart
    with torch.no_grad():
        for a, b in zip(encoder(z, pos, batch, box), encoder(z, near, batch)):
            assert close(a, b, 1e-10)
        assert float(encoder(z, pos, batch)[1].abs().max()) == 0


@pytest.mark.parametrize("architecture", architectures())
def test_every_layer_can_be_read_and_turns_with_the_molecule(architecture):
    encoder, turn = small(architecture), rotation()
    z, pos, batch = molecules((7, 12))
    with torch.no_grad():
        layers, again = encoder.layers(z, pos, batch), encoder.layers(z, pos @ turn.T, batch)
        vectors, last = encoder(z, pos, batch)[1], layers[-1][1]
        last = encoder.representation.vec_out_norm(last) if architecture == "visnet" else last
    assert len(layers) == encoder.config.layers + 1
    for (x, v), (x2, v2) in zip(layers, again):
        assert len(x) == len(z)
        assert v.shape == (len(z), 3, encoder.config.hidden)
        assert close(x2, x, 1e-10)
        assert close(v2, torch.einsum("xy,nyc->nxc", turn, v), 1e-10)
    assert not any(close(a[0], b[0], 1e-3) for a, b in pairwise(layers))
    assert close(last, vectors)


@pytest.fixture(scope="module")
def encoder():
    return random_encoder(EncoderConfig(layers=1, hidden=16, rbf=8, cutoff=4.0, heads=4), 0)


def water():
    pos = torch.tensor([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    return {"z": torch.tensor([8, 1, 1]), "pos": pos, "batch": torch.zeros(3, dtype=torch.long)}


def with_nan():
    pos = water()["pos"]
    pos[1, 2] = torch.nan
    return pos


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"z": torch.tensor([8, 1, 100])}, "unknown element 100"),
        ({"z": torch.tensor([8, 0, 1])}, "unknown element 0"),
        ({"z": torch.tensor([8.0, 1, 1])}, "z has dtype torch.float32"),
        ({"pos": with_nan()}, "pos of atom 1 is .*nan.* expected finite"),
        ({"pos": water()["pos"] * torch.inf}, "pos of atom 0 is .* expected finite"),
        ({"pos": water()["pos"][[0, 1, 1]]}, "atoms 1 and 2 are .* apart"),
        ({"pos": water()["pos"] / 10}, "look like nm"),
        ({"pos": water()["pos"][:, :2]}, r"shape \(3, 2\)"),
        ({"z": torch.tensor([8, 1])}, "lengths differ: z 2, pos 3, batch 3"),
        ({"pos": water()["pos"][:2]}, "lengths differ: z 3, pos 2, batch 3"),
        ({"batch": torch.zeros(4).long()}, "lengths differ: z 3, pos 3, batch 4"),
        ({"batch": torch.tensor([0, 1, 0])}, "ascending"),
        ({"batch": torch.tensor([1, 1, 1])}, "ascending order from 0"),
        ({"batch": torch.tensor([0, 0, 2])}, "molecule 1 is empty"),
        ({"z": torch.zeros(0).long(), "pos": torch.zeros(0, 3), "batch": torch.zeros(0).long()}, "molecule is empty"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(encoder, change, message):
    with pytest.raises(ValueError, match=message) as error:
        encoder(**{**water(), **change})
    assert len(str(error.value).splitlines()) == 1


def test_checks_can_be_switched_off(encoder):
    encoder.check = False
    encoder(**{**water(), "pos": water()["pos"] / 10})
    encoder.check = True


@pytest.mark.parametrize("change", [{"architecture": "gnn"}, {"hidden": 12}, {"layers": 0}, {"cutoff": -1.0}])
def test_impossible_config_is_refused(change):
    with pytest.raises(ValueError, match=str(next(iter(change.values())))):
        EncoderConfig(**change)

"""Bad input to an encoder: one clear sentence each."""

import pytest
import torch

from lib.models import EncoderConfig, random_encoder


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
        ({"pos": water()["pos"][[0, 1, 1]]}, "atoms 1 and 2 are .* apart"),
        ({"pos": water()["pos"] / 10}, "look like nm"),
        ({"pos": water()["pos"][:, :2]}, r"shape \(3, 2\)"),
        ({"z": torch.tensor([8, 1])}, "lengths differ: z 2, pos 3, batch 3"),
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

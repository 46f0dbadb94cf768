"""Encoders on disk: round trip, deterministic bytes, and one sentence for every file that is not an encoder."""

import json

import pytest
import torch
from safetensors.torch import save

from lib.models import EncoderConfig, load_encoder, random_encoder, read_provenance, save_encoder
from lib.models.config import from_published_name


CONFIG = EncoderConfig(layers=1, hidden=16, rbf=8, cutoff=4.0, heads=4)


@pytest.fixture
def saved(tmp_path):
    return save_encoder(random_encoder(CONFIG, 5), tmp_path / "run", {"seed": 5, "data": "mini"})


def test_round_trip_keeps_weights_config_and_provenance(saved):
    encoder = random_encoder(CONFIG, 5)
    for path in (saved, saved / "weights.safetensors"):
        again = load_encoder(path, neighbors="nearest-4")
        assert again.config == CONFIG
        assert again.neighbors == "nearest-4"
        assert not again.training
        for name, value in encoder.state_dict().items():
            assert torch.equal(again.state_dict()[name], value)
    assert read_provenance(saved) == {"seed": 5, "data": "mini"}


def test_same_encoder_gives_the_same_bytes(saved, tmp_path):
    again = save_encoder(load_encoder(saved), tmp_path / "again", {"data": "mini", "seed": 5})
    for name in ("weights.safetensors", "config.json"):
        assert (again / name).read_bytes() == (saved / name).read_bytes()
    assert sorted(p.name for p in again.iterdir()) == ["config.json", "weights.safetensors"]


def test_random_encoder_is_fixed_by_its_seed_and_leaves_the_global_one_alone():
    state = torch.random.get_rng_state()
    a, b, c = random_encoder(CONFIG, 1), random_encoder(CONFIG, 1), random_encoder(CONFIG, 2)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(a.representation.embedding.weight, b.representation.embedding.weight)
    assert not torch.equal(a.representation.embedding.weight, c.representation.embedding.weight)


@pytest.mark.parametrize(
    ("name", "layers", "cutoff"),
    [("et_l6_h64_rbf64_r75.pth", 6, 7.5), ("et_l3_h64_rbf32_r5.pth", 3, 5.0), ("et_l9_h64_rbf64_r12.pth", 9, 12.0)],
)
def test_published_names_are_read(name, layers, cutoff):
    config = from_published_name(name)
    assert (config.layers, config.cutoff, config.smooth) == (layers, cutoff, False)


def test_missing_checkpoint(tmp_path, saved):
    with pytest.raises(FileNotFoundError, match="no such checkpoint"):
        load_encoder("never-trained")
    with pytest.raises(FileNotFoundError, match=r"config\.json: missing"):
        load_encoder(tmp_path)
    (saved / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"weights\.safetensors: missing"):
        load_encoder(saved)


@pytest.mark.parametrize("damage", [lambda b: b[:-100], lambda b: b"", lambda b: b"not weights", lambda b: b[8:]])
def test_corrupt_weights(saved, damage):
    path = saved / "weights.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="not a whole safetensors file") as error:
        load_encoder(saved)
    assert len(str(error.value).splitlines()) == 1


def test_weights_of_another_program(saved):
    path = saved / "weights.safetensors"
    path.write_bytes(save({"model.embed_tokens.weight": torch.zeros(3, 2)}))
    with pytest.raises(ValueError, match=r"missing .* and 1 unexpected \['model.embed_tokens.weight'\]") as error:
        load_encoder(saved)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["{", "{}", '{"encoder": {"colour": 3}}', '{"encoder": []}'])
def test_foreign_config(saved, text):
    (saved / "config.json").write_text(text)
    with pytest.raises(ValueError, match="hyper-parameters"):
        load_encoder(saved)


def test_weights_of_another_architecture(saved):
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({**config, "encoder": {**config["encoder"], "layers": 2}}))
    with pytest.raises(ValueError, match="do not fit the architecture"):
        load_encoder(saved)
    (saved / "config.json").write_text(json.dumps({**config, "encoder": {**config["encoder"], "rbf": 16}}))
    with pytest.raises(ValueError, match=r"has shape .* expected"):
        load_encoder(saved)
    (saved / "config.json").write_text(json.dumps({**config, "encoder": {**config["encoder"], "architecture": "gnn"}}))
    with pytest.raises(ValueError, match="'gnn' is not one of"):
        load_encoder(saved)


class Foreign:
    """Something that only an unsafe unpickler would rebuild."""


@pytest.mark.parametrize("content", [b"", b"not weights", {"a": 3}, {"model": {"x": torch.ones(1)}}, [1], Foreign()])
def test_foreign_pth(tmp_path, content):
    path = tmp_path / "et_l6_h64_rbf64_r75.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(ValueError, match=r"et_l6_h64_rbf64_r75\.pth: (not a file of plain|expected a dict)") as error:
        load_encoder(path)
    assert len(str(error.value).splitlines()) == 1


def test_half_a_published_file(reference, tmp_path):
    whole = reference("checkpoints/et_l6_h64_rbf64_r75.pth").read_bytes()
    (path := tmp_path / "et_l6_h64_rbf64_r75.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="not a file of plain PyTorch weights"):
        load_encoder(path)


def test_pth_with_a_missing_key_or_an_unreadable_name(tmp_path):
    state = {"representation_model.embedding.weight": torch.zeros(100, 64), "mean": torch.zeros(1)}
    torch.save(state, path := tmp_path / "et_l6_h64_rbf64_r75.pth")
    with pytest.raises(ValueError, match="missing"):
        load_encoder(path)
    torch.save(state, path := tmp_path / "best.pth")
    with pytest.raises(ValueError, match=r"best\.pth: expected a published name"):
        load_encoder(path)

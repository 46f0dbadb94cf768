"""Every shipped encoder has its card, and docs/models.md is the one that the committed results give."""

import json

import pytest
from ruamel.yaml import YAML

from lib.measure.metric import estimate, exact, write
from lib.models import EncoderConfig
from lib.models.checkpoint import save_encoder
from lib.models.encoder import Encoder
from lib.paths import ARTIFACTS, ROOT
from lib.show import models


PROVENANCE = {
    "batch_size": 10,
    "data": "some-set",
    "data_sha256": "abc",
    "schedule": {"epochs": 2, "learning_rate": 0.001},
    "elements": [1, 6, 17],
    "seed": 7,
    "sigma_A": 0.2,
    "torch": "2.0",
    "train_limit": None,
}


@pytest.fixture
def root(tmp_path):
    """A tree with one trained encoder `tiny`."""
    config = EncoderConfig("et", hidden=8, layers=1, rbf=4, heads=2, cutoff=5.0)
    save_encoder(Encoder(config), tmp_path / "artifacts/checkpoints/tiny", PROVENANCE)
    write(
        tmp_path / "metrics/pretrain/tiny.json",
        {
            "parameters": exact(1234),
            "denoising": {"test": estimate([0.4, 0.5, 0.6], "σ²")},
            "floor": {"test": exact(0.09, "σ²")},
        },
    )
    return tmp_path


def test_a_card_says_what_the_files_say(root):
    (card,) = models.cards(root)
    assert card["architecture"] == "Equivariant Transformer"
    text = models.markdown(root)
    for fact in (
        "### tiny",
        "1 layers of 8 channels",
        "1,234 parameters",
        "`some-set`",
        "0.5 σ² (",
        "0.09",
        "seed 7",
        "other than H, C, Cl",
    ):
        assert fact in text, fact
    assert "ala2" not in text


def test_transfer_is_shown_where_it_was_measured(root):
    both = {"all": estimate([0.3, 0.4], "σ²"), "heavy": estimate([1.5, 1.7], "σ²")}
    write(root / "metrics/transfer/all.json", {"tiny": {"ala2": both, "half": {"all": both["all"]}}})
    text = models.markdown(root)
    assert "| ala2, not trained on | error 0.35 σ² (" in text
    assert "half" not in text


def test_an_encoder_without_metrics_has_no_card(root):
    (root / "metrics/pretrain/tiny.json").unlink()
    assert models.cards(root) == []


def test_every_trained_run_has_its_card_in_docs():
    names = YAML(typ="safe").load(ROOT / "params.yaml")["pretrain"]
    if not all((ARTIFACTS / "checkpoints" / name / "config.json").exists() for name in names):
        pytest.skip("artifacts/checkpoints is empty; `dvc pull` fetches it")
    text = (ROOT / "docs/models.md").read_text()
    assert text == f"{models.HEAD}\n{models.markdown()}", "run `python -m lib.show.models`"
    assert all(f"### {name}\n" in text for name in names)
    assert (
        json.loads((ARTIFACTS / "checkpoints" / min(names) / "config.json").read_text())["provenance"]["data"] in text
    )

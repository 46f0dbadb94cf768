"""The `paper` profile pre-trains by the published recipes: each is written down here once more, with its source."""

import math

import pytest
import torch
from ruamel.yaml import YAML

from lib.data.sources import public_sets
from lib.models import EncoderConfig, random_encoder
from lib.paths import ROOT
from lib.train.loop import Run


PAPER = YAML(typ="safe").load(ROOT / "profiles" / "paper.yaml")

# geom2vec, arXiv 2409.19838. Architecture, rate, batch and noise: its checkpoints et_l6_h64_rbf64_r75.pth (names,
# stored noise statistics, decay of the unused rows of the table of elements) and src/geom2vec/train of
# github.com/zpengmei/geom2vec at d0f5d93. Steps: 10 epochs of 23,289.
GEOM2VEC = {
    "architecture": "et",
    "layers": 6,
    "hidden": 64,
    "rbf": 64,
    "cutoff": 7.5,
    "smooth": False,
    "sigma": 0.2,
    "batch_size": 100,
    "learning_rate": 5e-4,
    "warmup": 0,
    "decay": False,
    "clip": None,
    "ema": None,
    "precision": "float32",
    "train_limit": None,
}
GEOM2VEC_STEPS = 232_890

# Pre-training via denoising, arXiv 2206.00133, github.com/shehzaidi/pre-training-via-denoising at 2d81667: PCQM4Mv2,
# three GPUs with 70 molecules each, cosine over 400,000 steps. Radial functions and cutoff: TorchMD-NET's ET for QM9.
PVD = {
    "architecture": "et",
    "layers": 8,
    "hidden": 256,
    "rbf": 64,
    "cutoff": 5.0,
    "sigma": 0.04,
    "batch_size": 3 * 70,
    "learning_rate": 4e-4,
    "warmup": 10_000,
    "decay": True,
}
PVD_STEPS = 400_000

# P1, arXiv 2410.21683 (summary and reviews): both encoders, widths 64 to 512, depths 2 to 10, both kinds of data.
WIDTHS, DEPTHS, ENCODERS = (64, 512), (2, 10), {"et", "visnet"}


@pytest.mark.parametrize(
    ("run", "published", "steps"),
    [
        ("equilibrium", GEOM2VEC, GEOM2VEC_STEPS),
        ("nonequilibrium", GEOM2VEC, GEOM2VEC_STEPS),
        ("pvd", PVD, PVD_STEPS),
    ],
)
def test_pretraining_is_as_published(run, published, steps):
    given = PAPER["pretrain"][run]
    assert {name: given[name] for name in published} == published
    conformers = public_sets()[given["data"].removeprefix("data-public/")].records  # less at most 4 % held out
    assert given["epochs"] * math.ceil(conformers / given["batch_size"]) == pytest.approx(steps, rel=0.05)


def test_the_optimiser_is_the_published_one():
    """AdamW with amsgrad; 0.01 is the weight decay that the unused rows of the published tables show."""
    model = random_encoder(EncoderConfig("et", 1, 8, 8, 4.0), 0)
    optimiser = Run(model, 5e-4, torch.Generator(), None).optimiser
    assert isinstance(optimiser, torch.optim.AdamW)
    (group,) = optimiser.param_groups
    assert (group["lr"], group["weight_decay"], group["amsgrad"]) == (5e-4, 0.01, True)


def test_the_scaling_study_spans_the_papers_grid():
    runs = PAPER["scaling"]
    for kind, public in (("equilibrium", "pcqm4mv2"), ("nonequilibrium", "denali")):
        width, depth = runs[f"width-{kind}"], runs[f"depth-{kind}"]
        assert (min(width["values"]), max(width["values"])) == WIDTHS
        assert (min(depth["values"]), max(depth["values"])) == DEPTHS
        for run in (width, depth):
            assert set(run["architectures"]) == ENCODERS
            assert run["data"] == f"data-public/{public}"
            assert (run["heads"], run["rbf"], run["cutoff"], run["sigma"]) == (8, 64, 7.5, 0.2)
            assert (run["batch_size"], run["warmup"], run["decay"], run["clip"]) == (100, 0, False, None)
            assert GEOM2VEC["learning_rate"] in run["rates"]


@pytest.mark.parametrize("profile", ["demo", "paper"])
def test_every_width_is_a_law_that_can_be_tested(profile):
    """At least 6 sizes and 3 seeds; two decades of parameters are checked by the notebook itself."""
    runs = YAML(typ="safe").load(ROOT / "profiles" / f"{profile}.yaml")["scaling"]
    for name in ("width-equilibrium", "width-nonequilibrium", "depth-equilibrium"):
        assert len(runs[name]["values"]) >= 6
        assert len(runs[name]["seeds"]) >= 3
        assert runs[name]["put_aside"] >= 1000

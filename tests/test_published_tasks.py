"""The `paper` profile fine-tunes by the published recipes: each is written down here once more, with its source.

What the suite cannot vary and the published models have otherwise: TorchMD-NET's ET for QM9 and MD17 embeds neighbours
before its first layer, and ViSNet has tensors of degree 2; ours are the encoders of P2's release. The optimiser is that
of the pre-training. Energies of MD17 enter TorchMD-NET's loss smoothed over batches.
"""

import pytest
from ruamel.yaml import YAML

from lib.paths import ROOT
from lib.show.published import QM9
from lib.train.plateau import Plateau


PROFILES = {name: YAML(typ="safe").load(ROOT / "profiles" / f"{name}.yaml") for name in ("smoke", "demo", "paper")}
PAPER = PROFILES["paper"]
BOTH = {"heads": 8, "cutoff": 5.0, "warmup": 10_000, "order": "plateau", "patience": 15, "stop": 150, "clip": None}

# github.com/torchmd/torchmd-net at 833c077, examples/ET-QM9.yaml; ViSNet: arXiv 2210.16518 and its QM9 configuration
QM9_TASKS = {
    "et": BOTH | {"hidden": 256, "layers": 8, "rbf": 64, "batch_size": 128, "epochs": 3000},
    "visnet": BOTH | {"hidden": 512, "layers": 9, "rbf": 64, "batch_size": 32, "epochs": 1000},
}
QM9_RATES = {"et": 4e-4, "visnet": 1e-4}
QM9_SPLIT = (110_000, 10_000)

# examples/ET-MD17.yaml of the same; ViSNet's MD17 configuration
MD17 = {"heads": 8, "rbf": 32, "cutoff": 5.0, "order": "plateau", "patience": 30, "warmup": 1_000}
MD17_TASKS = {
    "et": MD17
    | {"hidden": 128, "layers": 6, "learning_rate": 1e-3, "batch_size": 8, "energy_weight": 0.2, "force_weight": 0.8},
    "visnet": MD17
    | {"hidden": 256, "layers": 9, "learning_rate": 4e-4, "batch_size": 4, "energy_weight": 0.05, "force_weight": 0.95},
}

# Pre-training via denoising (PvD), arXiv 2206.00133, github.com/shehzaidi/pre-training-via-denoising at 2d81667
PVD = {"sigma": 0.04, "pre_rate": 4e-4, "pre_warmup": 10_000, "pre_decay": True, "pre_batch": 3 * 70}
PVD_STEPS, PVD_NOISY_NODES = 400_000, 0.005
# geom2vec, arXiv 2409.19838: read off its checkpoints, 10 epochs of 23,289 steps of 100
GEOM2VEC = {"sigma": 0.2, "pre_rate": 5e-4, "pre_warmup": 0, "pre_decay": False, "pre_batch": 100, "pre_clip": None}
GEOM2VEC_STEPS = 232_890

# P1, arXiv 2410.21683 (summary): both encoders, widths 64 to 512, depths 2 to 10
WIDTHS, DEPTHS = (64, 512), (2, 10)


@pytest.mark.parametrize("name", QM9_TASKS)
def test_qm9_is_as_published(name):
    given, published = PAPER["qm9"][name], QM9_TASKS[name]
    assert {key: given[key] for key in published} == published
    assert given["learning_rates"] == {name: QM9_RATES[name]}
    assert (given["architectures"], given["widths"], given["depths"]) == (
        [name],
        [published["hidden"]],
        [published["layers"]],
    )
    assert given["data"] == "data-public/qm9"
    assert (given["train_molecules"], given["validation_molecules"]) == QM9_SPLIT
    assert given["train_limit"] is None
    assert given["reference"] == "free atoms"
    assert set(given["targets"]) == set(QM9["ET"])
    assert set(given["splits"]) == {"random", "scaffold"}


def test_the_plateau_is_as_published():
    plateau = Plateau(3000, QM9_RATES["et"])
    assert (plateau.by, plateau.patience, plateau.least, plateau.stop) == (0.8, 15, 1e-7, 150)


def test_fine_tuning_starts_from_pvd():
    assert PAPER["qm9"]["et"]["pretraining"] == "artifacts/checkpoints/pvd"
    assert PAPER["qm9"]["et"]["noise"] == PVD_NOISY_NODES
    visnet = PAPER["qm9"]["visnet"]
    assert {key: visnet[key] for key in PVD} == PVD
    assert visnet["pre_samples"] == PVD_STEPS * PVD["pre_batch"]


@pytest.mark.parametrize("run", ["temporal", "visnet", "random-frames"])
def test_forces_are_as_published(run):
    given = PAPER["forces"][run]
    published = MD17_TASKS[given["architecture"]]
    assert {key: given[key] for key in published} == published
    assert {key: given[key] for key in GEOM2VEC} == GEOM2VEC
    assert given["pre_samples"] == GEOM2VEC_STEPS * GEOM2VEC["pre_batch"]
    assert given["splits"] == ["stored"], "xxMD's own, by time, and MD17's 950 and 50, are stored with the sets"
    assert given["train_limit"] is given["test_limit"] is None


def test_the_sizes_span_the_papers_grid():
    sizes = PAPER["qm9"]["sizes"]
    assert set(sizes["architectures"]) == {"et", "visnet"}
    assert (min(sizes["widths"]), max(sizes["widths"])) == WIDTHS
    assert (min(sizes["depths"]), max(sizes["depths"])) == DEPTHS
    assert {key: sizes[key] for key in GEOM2VEC} == GEOM2VEC
    assert sizes["learning_rates"] == QM9_RATES


@pytest.mark.parametrize("profile", ["demo", "paper"])
def test_every_comparison_has_its_starts_and_seeds(profile):
    runs = PROFILES[profile]
    for name, given in runs["qm9"].items():
        assert given["starts"] == ["scratch", "finetuned", "frozen"], name
        assert len(given["seeds"]) >= 3
    sizes = runs["qm9"]["sizes"]
    assert set(sizes["architectures"]) == {"et", "visnet"}
    assert min(len(sizes["widths"]), len(sizes["depths"])) >= 3
    for name, given in runs["forces"].items():
        assert {"scratch", "equilibrium", "nonequilibrium"} <= set(given["starts"]), name
        assert len(given["seeds"]) >= 3


@pytest.mark.parametrize("profile", PROFILES)
def test_the_base_size_is_one_of_the_sizes(profile):
    """The table of the notebook shows it."""
    for name, given in PROFILES[profile]["qm9"].items():
        assert given["hidden"] in given["widths"] or given["layers"] in given["depths"], name
        assert set(given["learning_rates"]) == set(given["architectures"]), name

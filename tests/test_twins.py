"""The arms of 71_proteins differ in what they were pre-trained on, and in nothing else."""

from itertools import product

import pytest
from ruamel.yaml import YAML

from lib.data.molecules import load
from lib.paths import ROOT


def read(name):
    return YAML(typ="safe").load(ROOT / name)


PROFILES = sorted(p.stem for p in (ROOT / "profiles").glob("*.yaml"))
DEPS = set(read("dvc.yaml")["stages"]["proteins"]["do"]["deps"])


@pytest.mark.parametrize("name", PROFILES)
def test_twins_have_one_recipe_and_their_own_set(name):
    profile = read(f"profiles/{name}.yaml")
    for run in profile["proteins"].values():
        recipes = []
        for (arm, data), seed in product(run["arms"].items(), run["seeds"]):
            entry = dict(profile["pretrain"][f"{arm}-{seed}"])
            assert (entry.pop("data"), entry.pop("seed")) == (data, seed)
            entry.pop("train_limit")  # sets of larger molecules give fewer of them
            recipes.append(entry)
        assert all(recipe == recipes[0] for recipe in recipes)
        assert recipes[0]["atoms_per_batch"]


@pytest.mark.parametrize("name", PROFILES)
def test_deps_cover_what_the_notebook_reads(name):
    for run in read(f"profiles/{name}.yaml")["proteins"].values():
        sets = {*run["arms"].values(), *run["held_out"].values()}
        assert {f"{folder}/molecules.h5" for folder in sets} <= DEPS
        assert {f"artifacts/checkpoints/{arm}-{seed}" for arm, seed in product(run["arms"], run["seeds"])} <= DEPS
        assert {f"data/{system}" for system in run["systems"]} | {f"{run['domains']}/domains.h5"} <= DEPS


def test_twins_of_the_demo_see_equal_numbers_of_atoms():
    profile = read("profiles/demo.yaml")
    seen = {"both": profile["mixture"]["both"]["training_atoms"]}
    for arm in ("molecules", "proteins"):
        entry = profile["pretrain"][f"{arm}-0"]
        path = ROOT / entry["data"] / "molecules.h5"
        if not path.exists():
            pytest.skip(f"{entry['data']} is missing; `dvc pull data` fetches it")
        molecules = load(path)
        sizes = molecules.sizes[molecules.of_split("train")]
        seen[arm] = min(len(sizes), entry["train_limit"] or len(sizes)) * sizes.mean()
    assert max(seen.values()) / min(seen.values()) == pytest.approx(1, abs=0.02), seen

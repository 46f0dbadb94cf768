"""What README.md shows and names is really there."""

import re

import pytest

from lib.paths import ARTIFACTS, ROOT


README = (ROOT / "README.md").read_text()
PICTURES = {
    "docs/scores.png": "kinetics_ala2/scores.png",
    "docs/transfer.png": "transfer_all/error.png",
    "docs/kfold.png": "symmetry_all/kfold.png",
    "docs/scaling.png": "scaling_width-equilibrium/loss.png",
}


def test_shows_the_pictures():
    assert set(PICTURES) <= set(re.findall(r"\]\((\S+)\)", README))


@pytest.mark.parametrize(("shown", "made"), PICTURES.items())
def test_pictures_are_those_of_the_last_run(shown, made):
    source = ARTIFACTS / "figures" / made
    if not source.exists():
        pytest.skip("artifacts/ is empty; `dvc pull` fetches it")
    assert (ROOT / shown).read_bytes() == source.read_bytes(), f"cp {source.relative_to(ROOT)} {shown}"


def test_every_make_target_and_variable_exists():
    makefile = (ROOT / "Makefile").read_text()
    for target, variable in re.findall(r"\bmake (\w+)(?: ([A-Z_]+)=)?", README):
        assert re.search(rf"^{target}:", makefile, re.M), target
        assert variable in makefile, variable


def test_every_notebook_has_its_row():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"`{path.stem}`" in README, path.stem

"""The whole graph in the smoke profile, in a temporary clone."""

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from ruamel.yaml import YAML
from support import dvc

from lib.paths import NOTEBOOKS, ROOT
from lib.verify.execute import layers


def side_by_side(own, names):
    """What `dvc repro` prints of stages that do not need each other, run by two processes."""
    halves = [half for half in (names[::2], names[1::2]) if half]
    with ThreadPoolExecutor(2) as pool:
        said = pool.map(lambda half: dvc(own, "--wait-for-lock", "repro", "--single-item", *half), halves)
        return "".join(said)


def test_every_stage_runs_in_the_smoke_profile(own, shipped_data, quick, monkeypatch):
    monkeypatch.setenv("EAGER_ENCODERS", "1")  # the sixteen sizes of its networks would be compiled for minutes
    shutil.copy(own / "profiles" / "smoke.yaml", own / "params.yaml")
    shutil.rmtree(own / "metrics")
    lock = YAML(typ="safe").load(own / "dvc.lock")
    # DVC writes all of it anew after each stage: a short one saves a fifth of the time.
    known = {name: entry for name, entry in lock["stages"].items() if name.startswith("strip")}
    YAML(typ="safe").dump(lock | {"stages": known}, own / "dvc.lock")
    said = "".join(side_by_side(own, layer) for layer in layers(own))
    assert set(re.findall(r"Running stage '(.+)'", said)) == lock["stages"].keys() - known.keys()
    for path in (ROOT / "metrics").rglob("*.json"):
        assert json.loads((own / path.relative_to(ROOT)).read_text()), path
    assert (own / "artifacts" / "report" / "index.html").stat().st_size > 10_000
    assert "Running" not in dvc(own, "repro")


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_notebook_runs_alone_from_its_own_folder(path, own, quick, tmp_path):
    """With its default parameters, as JupyterLab opens it: the kernel starts in notebooks/."""
    # Loops are compiled for the width of the shipped encoders already, but not for those of a trial's small networks.
    eager = not re.search(r'"encoders? = ', path.read_text())
    subprocess.run(
        [sys.executable, "-m", "papermill", path.name, str(tmp_path / "out.ipynb"), "--no-progress-bar"],
        cwd=own / "notebooks",
        check=True,
        capture_output=True,
        # in a fresh clone the editable install points there
        env=os.environ | {"PYTHONPATH": str(own), "EAGER_ENCODERS": "1" if eager else ""},
    )

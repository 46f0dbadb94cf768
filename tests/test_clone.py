"""What a newcomer's clone does with plain DVC commands."""

import subprocess
import sys

import nbformat
import pytest
from ruamel.yaml import YAML
from support import dvc

from lib.paths import ROOT


def committed() -> bool:
    """Is every result in the embedded remote, as in a release?"""
    return (ROOT / "remote").is_dir() and (ROOT / "dvc.lock").exists()


pytestmark = pytest.mark.skipif(not committed(), reason="remote/ or dvc.lock is missing: nothing to pull")


def test_pull_without_network_then_nothing_to_do(fresh):
    """No flags, no cache, no network: everything comes from the embedded remote."""
    offline = ["unshare", "--net", "--map-root-user"]
    if subprocess.run([*offline, "true"], capture_output=True).returncode:
        offline = []  # no right to make a network namespace here; the remote is a folder all the same
    subprocess.run([*offline, sys.executable, "-m", "dvc", "pull"], cwd=fresh, check=True, capture_output=True)
    assert "Running" not in dvc(fresh, "repro")
    assert dvc(fresh, "status").strip().endswith("up to date.")


def test_a_jupyter_save_re_runs_its_strip_stage_alone(own):
    path = own / "notebooks" / "20_kinetics.ipynb"
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [nbformat.v4.new_output("stream", text="seen")]
            cell.execution_count = 3
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.99"}
    nbformat.write(notebook, path)
    ran = [line for line in dvc(own, "repro").splitlines() if line.startswith("Running")]
    assert ran == ["Running stage 'strip@20_kinetics':"]


def test_a_changed_parameter_touches_only_what_depends_on_it(own):
    yaml = YAML()
    params = yaml.load(own / "params.yaml")
    params["transfer"]["all"]["frames"] = 7
    yaml.dump(params, own / "params.yaml")
    ran = {line.split("'")[1] for line in dvc(own, "repro", "--dry").splitlines() if line.startswith("Running")}
    assert ran == {"transfer@all"}  # the report follows if the numbers change, which a dry run cannot know


def test_metrics_and_plots_are_shown(clone):
    shown = dvc(clone, "metrics", "show")
    assert "metrics/kinetics/ala2.json" in shown
    assert "metrics/claims.json" in shown
    dvc(clone, "plots", "show", "--out", "plots")
    assert "<html" in (clone / "plots" / "index.html").read_text()

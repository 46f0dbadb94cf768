import re
import subprocess

import pytest
from ruamel.yaml import YAML

from lib.paths import ROOT
from lib.verify.__main__ import main
from lib.verify.compare import DIFFERENT, SAME
from lib.verify.execute import DONE, environment, execute, metric_files, wanted


def test_stages_run_elsewhere_find_the_reference_data_of_here(monkeypatch):
    monkeypatch.delenv("REFERENCE_DATA", raising=False)
    assert environment()["REFERENCE_DATA"] == str(ROOT.parent / "shared")
    monkeypatch.setenv("REFERENCE_DATA", "/elsewhere")
    assert environment()["REFERENCE_DATA"] == "/elsewhere"


def test_stages_are_executed_in_the_order_of_the_graph(clone):
    after = wanted(clone, everything=False)
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    before = {"data", "fetch", "mixture", "pretrain", "scaling"}
    expected = {f"{name}@{run}" for name in set(params) - before for run in params[name]}
    assert {name for layer in after for name in layer} == expected
    assert after[-1] == ["report@all"]
    assert metric_files(clone, [["report@all"], ["kinetics@ala2", "mixture@both"]]) == [
        "metrics/claims.json",
        "metrics/kinetics/ala2.json",
        "metrics/mixture/both.json",
    ]
    layer = {name: number for number, names in enumerate(wanted(clone, everything=True)) for name in names}
    assert layer["strip@10_pretrain"] < layer["pretrain@equilibrium"] < layer["kinetics@ala2"]
    assert layer["mixture@both"] < layer["pretrain@both-0"] < layer["proteins@mini"]
    assert layer["scaling@cutoff"] < layer["smoothing@protein"]


def test_single_stages_and_sections_can_be_chosen(clone):
    assert wanted(clone, False, ["pretrain@both-0", "mixture"]) == [["mixture@both"], ["pretrain@both-0"]]
    with pytest.raises(SystemExit, match=r"no stage kinetic, recipe@x, expected names as kinetics@ala2"):
        wanted(clone, False, ["recipe@x", "kinetic", "recipe"])


@pytest.fixture
def stages_run(tmp_path, monkeypatch):
    """Names of the stages that `execute` ran in tmp_path/project; those in `broken` fail."""
    called, broken = [], ["b"]

    def fake(clone, *arguments):
        called.append(arguments[-1])
        if arguments[-1] in broken:
            raise subprocess.CalledProcessError(1, arguments)

    monkeypatch.setattr("lib.verify.execute.dvc", fake)
    (tmp_path / DONE).touch()
    return called, broken


def test_a_stage_that_fails_ends_the_run(tmp_path, stages_run):
    called, _ = stages_run
    with pytest.raises(subprocess.CalledProcessError):
        execute(tmp_path / "project", [["a", "b"], ["c"]])
    assert sorted(called) == ["a", "b"]


def test_a_second_call_goes_on_with_the_stage_that_failed(tmp_path, stages_run, capsys):
    called, broken = stages_run
    stages = [["a"], ["b"], ["c", "d"]]
    with pytest.raises(subprocess.CalledProcessError):
        execute(tmp_path / "project", stages)
    assert called == ["a", "b"]
    broken.clear()
    execute(tmp_path / "project", stages)
    assert called[2] == "b"
    assert sorted(called[3:]) == ["c", "d"]
    assert capsys.readouterr().out == "going on after 1 of 4 stages\n"


def test_an_interrupted_run_keeps_its_clone_and_a_finished_one_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(clone, chosen):
        raise KeyboardInterrupt

    monkeypatch.setattr("lib.verify.__main__.scratch", lambda kind, *settings: tmp_path / kind)
    with monkeypatch.context() as while_running:
        while_running.setattr("lib.verify.__main__.execute", interrupt)
        with pytest.raises(KeyboardInterrupt):
            main(["--only", "mixture"])
    project = tmp_path / "verify" / "project"
    before, seen = project.stat().st_ino, []
    monkeypatch.setattr("lib.verify.__main__.execute", lambda clone, chosen: seen.append(clone.stat().st_ino))
    assert main(["--only", "mixture"]) == SAME
    assert seen == [before]
    assert not project.parent.exists()


def test_a_stage_that_does_not_exist_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("lib.verify.__main__.scratch", lambda kind, *settings: tmp_path / kind)
    with pytest.raises(SystemExit, match=r"dvc.yaml has no stage mixtures"):
        main(["--only", "mixtures"])
    with pytest.raises(SystemExit, match=r"params.yaml has no entry 'mixture.both.sed' to change"):
        main(["--only", "mixture", "--set", "mixture.both.sed=3"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("only", [[], ["--only", "kinetics"]])
def test_a_changed_seed_that_nothing_would_use_is_refused(only):
    with pytest.raises(SystemExit, match=r"changes pretrain@equilibrium, which does not run; it does with --only"):
        main(["--set", "pretrain.equilibrium.seed=5", *only])


def test_a_stage_runs_again_to_the_same_bits_and_another_seed_is_found(shipped_data, capfd, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # whatever is there, the clone's lib runs and writes into the clone
    assert main(["--only", "mixture"]) == SAME
    assert main(["--only", "mixture@both", "--set", "mixture.both.seed=9"]) == DIFFERENT
    same, changed = (part.splitlines() for part in capfd.readouterr().out.split("DIFFERENT\n", 1))
    assert "     0 within tolerance" in same
    assert not any(line.startswith("DIFFERENT") for line in same)
    assert any(re.match(r"DIFFERENT +metrics/mixture/both.json.mini-windows.train.atoms: ", line) for line in changed)

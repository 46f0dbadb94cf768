import re
import subprocess

import pytest
from ruamel.yaml import YAML

from lib.paths import ROOT
from lib.verify import (
    DIFFERENT,
    SAME,
    WITHIN,
    compare,
    compare_file,
    environment,
    execute,
    main,
    metric_files,
    report,
    wanted,
)


def metric(value, tolerance=0.0, **more):
    return {"value": value, "low": None, "high": None, "n": 1, "unit": "", "tolerance": tolerance} | more


def statuses(committed, fresh):
    return {row.name: row.status for row in compare(committed, fresh, "m")}


def test_equal_metrics_are_the_same_bits():
    tree = {"a": {"b": metric(1.5, 0.1)}}
    assert statuses(tree, tree) == {"m.a.b": SAME}


@pytest.mark.parametrize(
    ("fresh", "status"), [(1.0, SAME), (1.05, WITHIN), (0.9, WITHIN), (1.2, DIFFERENT), (None, DIFFERENT)]
)
def test_the_declared_tolerance_decides(fresh, status):
    assert statuses({"a": metric(1.0, 0.1)}, {"a": metric(fresh, 0.1)}) == {"m.a": status}


@pytest.mark.parametrize(("low", "status"), [(0.9, SAME), (0.85, WITHIN), (0.5, DIFFERENT), (None, DIFFERENT)])
def test_the_interval_is_held_to_the_same_tolerance(low, status):
    assert statuses({"a": metric(1.0, 0.1, low=0.9)}, {"a": metric(1.0, 0.1, low=low)}) == {"m.a": status}


def test_another_number_of_runs_is_different():
    assert statuses({"a": metric(1.0, 0.1, n=15)}, {"a": metric(1.0, 0.1, n=14)}) == {"m.a": DIFFERENT}


def test_a_metric_that_only_one_side_has_is_different():
    assert statuses({"a": metric(1)}, {"b": metric(1)}) == {"m.a": DIFFERENT, "m.b": DIFFERENT}


def test_the_committed_tolerance_counts_not_the_fresh_one():
    assert statuses({"a": metric(1.0, 0.0)}, {"a": metric(2.0, 9.0)}) == {"m.a": DIFFERENT}


def test_words_are_compared_as_they_are():
    assert statuses({"v": "reproduced"}, {"v": "inconclusive"}) == {"m.v": DIFFERENT}


def test_a_stage_that_lacked_outside_data_is_named_and_not_compared(capsys):
    assert compare_file("metrics/x.json", {"a": metric(1)}, {"not_run": metric(1)}) == []
    assert "not run here      metrics/x.json" in capsys.readouterr().out
    (row,) = compare_file("metrics/x.json", {"not_run": metric(1)}, {"not_run": metric(1)})
    assert row.status == SAME
    assert [row.status for row in compare_file("metrics/x.json", {"a": metric(1)}, {})] == [DIFFERENT]


def test_stages_run_elsewhere_find_the_reference_data_of_here(monkeypatch):
    monkeypatch.delenv("REFERENCE_DATA", raising=False)
    assert environment()["REFERENCE_DATA"] == str(ROOT.parent / "shared")
    monkeypatch.setenv("REFERENCE_DATA", "/elsewhere")
    assert environment()["REFERENCE_DATA"] == "/elsewhere"


def test_the_worst_row_is_the_exit_status(capsys):
    rows = compare({"a": metric(1), "b": metric(1, 1)}, {"a": metric(1), "b": metric(2, 1)}, "metrics/x.json")
    assert report(rows) == WITHIN
    said = capsys.readouterr().out
    assert "metrics/x.json.b: 1 -> 2" in said
    assert "metrics/x.json.a" not in said
    assert report([]) == SAME


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


def test_a_stage_that_fails_ends_the_run(monkeypatch):
    called = []

    def fake(clone, *arguments):
        called.append(arguments[-1])
        if arguments[-1] == "b":
            raise subprocess.CalledProcessError(1, arguments)

    monkeypatch.setattr("lib.verify.dvc", fake)
    with pytest.raises(subprocess.CalledProcessError):
        execute(None, [["a", "b"], ["c"]])
    assert sorted(called) == ["a", "b"]


@pytest.mark.parametrize("only", [[], ["--only", "kinetics"]])
def test_a_changed_seed_that_nothing_would_use_is_refused(only):
    with pytest.raises(SystemExit, match=r"changes pretrain@equilibrium, which does not run; it does with --only"):
        main(["--set", "pretrain.equilibrium.seed=5", *only])


def test_a_stage_runs_again_to_the_same_bits_and_another_seed_is_found(shipped_data, capfd):
    assert main(["--only", "mixture"]) == SAME
    assert main(["--only", "mixture@both", "--set", "mixture.both.seed=9"]) == DIFFERENT
    same, changed = (part.splitlines() for part in capfd.readouterr().out.split("DIFFERENT\n", 1))
    assert "     0 within tolerance" in same
    assert not any(line.startswith("DIFFERENT") for line in same)
    assert any(re.match(r"DIFFERENT +metrics/mixture/both.json.mini-windows.train.atoms: ", line) for line in changed)

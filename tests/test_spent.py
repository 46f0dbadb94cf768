"""What a run took is noted when it succeeds, and gathered for the report."""

import json
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from lib.paths import ROOT
from lib.spent import GATHERED, expected, gather, noted, runs_of


BUSY = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


def test_a_note_holds_the_time_and_memory_of_the_processes_inside(tmp_path):
    with noted("task.one", {"seed": 1}, tmp_path):
        subprocess.run([sys.executable, "-c", f"b = bytearray(150_000_000)\n{BUSY}"], check=True)
    note = json.loads((tmp_path / "task.one.json").read_text())
    assert 0.3 <= note["processor_s"] < 5
    assert note["wall_s"] >= 0.3
    assert note["memory_gb"] >= 0.15
    assert "cores" in note["machine"]


def test_the_next_run_is_told_how_long_the_last_one_took(tmp_path):
    with noted("task.one", {"seed": 1}, tmp_path):
        pass
    note = json.loads((tmp_path / "task.one.json").read_text()) | {"wall_s": 200, "machine": "a laptop"}
    (tmp_path / "all.json").write_text(json.dumps({"task.one": note}))
    said = expected("task.one", {"seed": 1}, tmp_path / "all.json")
    assert said == "took 3 minutes when it last ran (a laptop)"
    assert expected("task.one", {"seed": 2}, tmp_path / "all.json") == ""  # other parameters, another time
    assert expected("task.two", {"seed": 1}, tmp_path / "all.json") == ""


def test_a_failed_run_leaves_no_note(tmp_path):
    with pytest.raises(RuntimeError), noted("task.one", {"seed": 1}, tmp_path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_newer_notes_replace_older_ones_and_runs_that_are_gone_disappear(tmp_path):
    target, notes = tmp_path / "compute.json", tmp_path / "notes"
    target.write_text(json.dumps({"a.x": {"wall_s": 1}, "b.x": {"wall_s": 2}, "gone.x": {"wall_s": 3}}))
    notes.mkdir()
    (notes / "b.x.json").write_text(json.dumps({"wall_s": 5}))
    found = gather(["b.x", "a.x", "c.x"], notes, target)
    assert found == {"a.x": {"wall_s": 1}, "b.x": {"wall_s": 5}} == json.loads(target.read_text())


def test_the_gathered_runs_are_those_of_the_demo_profile_and_cost_less_than_two_hours():
    """On two idle cores: the work of a run is shared by as many processes as its parameters say."""
    spent, runs = json.loads(GATHERED.read_text()), runs_of(ROOT / "profiles" / "demo.yaml")
    assert set(spent) <= set(runs)
    sections = YAML(typ="safe").load(ROOT / "profiles" / "demo.yaml")
    given = {f"{stage}.{name}": run for stage, named in sections.items() for name, run in named.items()}
    processes = {key: min(2, max(given[key].get(word, 1) for word in ("jobs", "workers"))) for key in spent}
    assert sum(note["processor_s"] / processes[key] for key, note in spent.items()) < 2 * 3600

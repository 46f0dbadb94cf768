"""What a profile needs is said before it starts, from the files that are here and a rate measured now."""

from dataclasses import replace

import pytest
from ruamel.yaml import YAML
from support import serving_folder

from lib.data.molecules import load, save
from lib.data.sources import public_sets
from lib.data.sources.source import File
from lib.paths import ROOT
from lib.plan import hours, needs
from lib.plan.__main__ import main


SMOKE = YAML(typ="safe").load(ROOT / "profiles" / "smoke.yaml")["pretrain"]["spread-0"]


@pytest.fixture
def root(tmp_path, monkeypatch, molecules):
    """A root with one packed set of 24 training molecules, which is also the stand-in for others."""
    (tmp_path / "data/mine").mkdir(parents=True)
    save(molecules, tmp_path / "data/mine/molecules.h5")
    monkeypatch.setattr(needs, "ROOT", tmp_path)
    monkeypatch.setattr(hours, "ROOT", tmp_path)
    monkeypatch.setattr(needs, "STAND_IN", tmp_path / "data/mine/molecules.h5")
    return tmp_path


def profile(fetch=(), **runs):
    return {"fetch": {name: {} for name in fetch}, "pretrain": {name: SMOKE | new for name, new in runs.items()}}


def test_a_set_that_is_here_is_counted(root):
    (finding,) = needs.sets(profile(a={"data": "data/mine"}, b={"data": "data/mine"}))
    assert not finding.mend
    assert "24 conformers" in finding.found


def test_a_public_set_that_is_away_is_named_with_its_size_and_licence(root):
    (finding,) = needs.sets(profile(["denali"], a={"data": "data-public/denali"}))
    assert finding.warning
    assert "`python -m lib.data.sources denali`" in finding.mend
    assert "GB to fetch" in finding.found
    assert "CC BY 4.0" in finding.found
    (root / "data-public/denali").mkdir(parents=True)
    assert next(needs.sets(profile(["denali"]))).mend  # begun, not finished
    (root / "data-public/denali/card.json").write_text("{}")
    assert not next(needs.sets(profile(["denali"]))).mend


def test_a_set_that_nothing_brings_stops(root):
    (finding,) = needs.sets(profile(a={"data": "data/nothing"}))
    assert finding.mend
    assert not finding.warning
    assert needs.conformers("data/nothing") is None
    (finding,) = needs.sets(profile(a={"data": "data-public/qm9"}))
    assert "under `fetch`" in finding.mend
    assert not finding.warning


def test_hosts_are_asked_and_no_more(root):
    (root / "a.zip").write_bytes(b"PK" + bytes(20_000_000))
    with serving_folder(root) as address:
        files = (File("a.zip", f"{address}a.zip"), File("b.zip", f"{address}b.zip"))
        here, away = needs.access(replace(public_sets()["qm9"], files=files))
    assert here.found == "qm9: a.zip, 0.02 GB"
    assert not here.mend
    assert "b.zip does not answer: File not found" in away.found
    assert away.mend
    assert not away.warning
    (silent,) = needs.access(replace(public_sets()["qm9"], files=(File("a.zip", "http://127.0.0.1:9/a.zip"),)))
    assert "refused" in silent.found


def test_a_set_that_a_stage_makes_does_not_stop(root):
    (finding,) = needs.sets(profile(a={"data": "artifacts/mixtures/both"}))
    assert not finding.mend
    assert "a stage makes it" in finding.found


def test_a_full_disk_stops(root):
    assert needs.disk(profile(a={"data": "data/mine"}), free=10**9).mend
    assert not needs.disk(profile(a={"data": "data/mine"}), free=10**11).mend
    away = profile(["pcqm4mv2"], a={"data": "data-public/pcqm4mv2"})
    assert needs.disk(away, free=int(needs.ROOM_GB * 1e9)).mend  # the set itself needs room


def test_a_resident_set_must_fit_into_memory(root, molecules):
    size = len(molecules.z) / (len(molecules.offsets) - 1) * needs.ATOM_BYTES * 3_378_606
    large = {"data": "data-public/pcqm4mv2"}
    assert needs.memory(profile(a=large | {"resident": True}), there=int(1.9 * size)).mend
    assert not needs.memory(profile(a=large | {"resident": True}), there=int(2.1 * size)).mend
    assert not needs.memory(profile(a=large | {"resident": False}), there=1000).mend


def test_hours_are_of_all_epochs_and_limits(root, monkeypatch):
    monkeypatch.setattr(hours, "measure", lambda run, molecules, seen: hours.Cost(seen, 2.0, 0))
    runs = {"a": {"data": "data/mine", "epochs": 300}, "b": {"data": "data/mine", "epochs": 300, "train_limit": 12}}
    rows = [line.split() for line in hours.table(profile(**runs))]
    assert rows[1] == ["a", "7,200", "2", "1.0", "-"]
    assert rows[2][1:4] == ["3,600", "2", "0.5"]
    assert rows[3][-1] == "1.5"


def test_the_rate_is_that_of_training(root):
    cost = hours.measure(SMOKE | {"batch_size": 8}, load(needs.STAND_IN), seen=3600, seconds=0.2)
    assert cost.rate > 1
    assert cost.hours == pytest.approx(1 / cost.rate)


def test_a_profile_that_is_not_there_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["huge"])
    assert "invalid choice: 'huge'" in capsys.readouterr().err

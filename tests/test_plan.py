"""What a profile needs is said before it starts, from the files that are here and a rate measured now."""

import pytest
from ruamel.yaml import YAML

from lib import plan
from lib.data.molecules import save
from lib.paths import ROOT


SMOKE = YAML(typ="safe").load(ROOT / "profiles" / "smoke.yaml")["pretrain"]["spread-0"]


@pytest.fixture
def root(tmp_path, monkeypatch, molecules):
    """A root with one packed set of 24 training molecules, which is also the stand-in for others."""
    (tmp_path / "data/mine").mkdir(parents=True)
    save(molecules, tmp_path / "data/mine/molecules.h5")
    monkeypatch.setattr(plan, "ROOT", tmp_path)
    monkeypatch.setattr(plan, "STAND_IN", tmp_path / "data/mine/molecules.h5")
    return tmp_path


def profile(**runs):
    return {"pretrain": {name: SMOKE | changes for name, changes in runs.items()}}


def test_a_set_that_is_here_is_counted(root):
    (finding,) = plan.sets(profile(a={"data": "data/mine"}, b={"data": "data/mine"}))
    assert not finding.mend
    assert "24 conformers" in finding.found


def test_a_public_set_that_is_away_is_named_with_its_command_and_size(root):
    (finding,) = plan.sets(profile(a={"data": "data-public/pcqm4mv2"}))
    assert finding.mend == "`python -m lib.data.sources pcqm4mv2`"
    assert "GB to fetch" in finding.found
    assert plan.conformers("data-public/pcqm4mv2") == 3_378_606


def test_an_unknown_set_stops(root):
    (finding,) = plan.sets(profile(a={"data": "data/nothing"}))
    assert finding.mend
    assert not finding.warning
    assert plan.conformers("data/nothing") is None


def test_a_full_disk_stops(root):
    assert plan.disk(profile(a={"data": "data/mine"}), free=10**9).mend
    assert not plan.disk(profile(a={"data": "data/mine"}), free=10**11).mend
    away = profile(a={"data": "data-public/pcqm4mv2"})
    assert plan.disk(away, free=int(plan.ROOM_GB * 1e9)).mend  # the set itself needs room


def test_hours_are_of_all_epochs_and_limits(root, monkeypatch):
    monkeypatch.setattr(plan, "measure", lambda run, molecules, seen: plan.Cost(seen, 2.0, 0))
    runs = {"a": {"data": "data/mine", "epochs": 300}, "b": {"data": "data/mine", "epochs": 300, "train_limit": 12}}
    rows = [line.split() for line in plan.table(profile(**runs))]
    assert rows[1] == ["a", "7,200", "2", "1.0", "-"]
    assert rows[2][1:4] == ["3,600", "2", "0.5"]
    assert rows[3][-1] == "1.5"


def test_the_rate_is_that_of_training(root):
    from lib.data.molecules import load

    run = SMOKE | {"batch_size": 8}
    cost = plan.measure(run, load(plan.STAND_IN), seen=3600, seconds=0.2)
    assert cost.rate > 1
    assert cost.hours == pytest.approx(1 / cost.rate)


def test_a_profile_that_is_not_there_is_refused(capsys):
    with pytest.raises(SystemExit):
        plan.main(["huge"])
    assert "invalid choice: 'huge'" in capsys.readouterr().err

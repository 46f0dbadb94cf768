"""Rules on exact intervals, edges included, and the five verdicts from files."""

import json

import pytest

from lib.measure.metric import exact, interval, write
from lib.show import verdicts as v
from lib.show.claims import Claim


def leaf(low, high, unit=""):
    return interval((low + high) / 2, low, high, 5, unit)


AT_LEAST = {"kind": "at_least", "value": 20.0, "unit": "%"}
AT_MOST = {"kind": "at_most", "value": 20.0, "unit": "%"}
WITHIN = {"kind": "within", "value": 20.0, "tolerance": 2.0, "unit": "%"}
BELOW_ONE = {"kind": "less", "than": 1.0}
ABOVE_ONE = {"kind": "greater", "than": 1.0}


@pytest.mark.parametrize(
    ("rule", "low", "high", "expected"),
    [
        (AT_LEAST, 20.0, 25.0, v.REPRODUCED),
        (AT_LEAST, 19.999, 25.0, v.INCONCLUSIVE),
        (AT_LEAST, 10.0, 20.0, v.INCONCLUSIVE),
        (AT_LEAST, 10.0, 19.999, v.NOT_REPRODUCED),
        (AT_MOST, 10.0, 20.0, v.REPRODUCED),
        (AT_MOST, 20.0, 25.0, v.INCONCLUSIVE),
        (AT_MOST, 20.001, 25.0, v.NOT_REPRODUCED),
        (WITHIN, 18.0, 22.0, v.REPRODUCED),
        (WITHIN, 17.999, 22.0, v.INCONCLUSIVE),
        (WITHIN, 10.0, 30.0, v.INCONCLUSIVE),
        (WITHIN, 22.0, 30.0, v.INCONCLUSIVE),
        (WITHIN, 22.001, 30.0, v.NOT_REPRODUCED),
        (WITHIN, 10.0, 17.999, v.NOT_REPRODUCED),
        ({"kind": "positive"}, 0.001, 1.0, v.REPRODUCED),
        ({"kind": "positive"}, 0.0, 1.0, v.INCONCLUSIVE),
        ({"kind": "positive"}, -1.0, 0.0, v.NOT_REPRODUCED),
        ({"kind": "negative"}, -1.0, -0.001, v.REPRODUCED),
        ({"kind": "negative"}, -1.0, 0.0, v.INCONCLUSIVE),
        ({"kind": "negative"}, 0.0, 1.0, v.NOT_REPRODUCED),
        (BELOW_ONE, 0.3, 0.999, v.REPRODUCED),
        (BELOW_ONE, 0.3, 1.0, v.INCONCLUSIVE),
        (BELOW_ONE, 1.0, 1.2, v.NOT_REPRODUCED),
        (ABOVE_ONE, 1.001, 1.2, v.REPRODUCED),
        (ABOVE_ONE, 1.0, 1.2, v.INCONCLUSIVE),
        (ABOVE_ONE, 0.3, 1.0, v.NOT_REPRODUCED),
    ],
)
def test_rule_on_interval(rule, low, high, expected):
    assert v.judge(rule, leaf(low, high)) == expected


@pytest.mark.parametrize(
    ("ours", "other", "greater", "less"),
    [
        ((2.1, 2.2), (1.9, 2.0), v.REPRODUCED, v.NOT_REPRODUCED),
        ((2.0, 2.2), (1.9, 2.0), v.INCONCLUSIVE, v.NOT_REPRODUCED),
        ((1.95, 2.2), (1.9, 2.0), v.INCONCLUSIVE, v.INCONCLUSIVE),
        ((1.8, 1.9), (1.9, 2.0), v.NOT_REPRODUCED, v.INCONCLUSIVE),
        ((1.7, 1.8), (1.9, 2.0), v.NOT_REPRODUCED, v.REPRODUCED),
    ],
)
def test_rule_against_another_metric(ours, other, greater, less):
    assert v.judge({"kind": "greater", "than": "a"}, leaf(*ours), leaf(*other)) == greater
    assert v.judge({"kind": "less", "than": "a"}, leaf(*ours), leaf(*other)) == less


def test_without_an_interval_nothing_is_excluded():
    assert v.judge({"kind": "positive"}, exact(100.0)) == v.INCONCLUSIVE
    assert v.judge({"kind": "positive"}, exact(float("nan"))) == v.INCONCLUSIVE
    assert v.judge({"kind": "greater", "than": "a"}, leaf(2.0, 3.0), exact(1.0)) == v.INCONCLUSIVE


def claim(**change) -> Claim:
    entry = {
        "id": "X",
        "paper": "P1",
        "source": "section 1",
        "statement": "It gains.",
        "value": "not found",
        "unit": "%",
        "notebook": "20_kinetics",
        "stage": "kinetics",
        "metric": "kinetics/ala2.json:gain.tokens",
        "rule": {"kind": "positive"},
        "note": "",
    }
    return Claim(**entry | change)


@pytest.fixture
def metrics(tmp_path):
    write(tmp_path / "kinetics/ala2.json", {"gain": {"tokens": leaf(1, 3, "%"), "random": leaf(-1, 1, "%")}})
    return tmp_path


def test_all_verdicts(metrics):
    claims = [
        claim(),
        claim(rule={"kind": "negative"}),
        claim(metric="kinetics/ala2.json:gain.random"),
        claim(metric="kinetics/villin.json:gain.tokens"),
        claim(stage=None, metric=None),
        claim(stage=None, metric=None, rule=None),
    ]
    records = v.verdicts(claims, metrics)
    assert [record.verdict for record in records] == list(v.VERDICTS)
    assert v.counts(records) == dict.fromkeys(v.VERDICTS, 1)
    assert records[0].ours["value"] == 2.0
    assert records[3].ours is None


def test_absent_file_to_compare_with_is_not_run(metrics):
    than = {"kind": "greater", "than": "kinetics/villin.json:gain.tokens"}
    assert v.verdict(claim(rule=than), metrics).verdict == v.NOT_RUN


def test_what_a_file_says_was_not_run_has_no_verdict(metrics):
    path = metrics / "kinetics" / "ala2.json"
    tree = json.loads(path.read_text())
    path.write_text(json.dumps(tree | {"not_run": {"loss": leaf(1, 1)}}))
    assert v.verdict(claim(metric="kinetics/ala2.json:loss.tokens"), metrics).verdict == v.NOT_RUN
    assert v.verdict(claim(), metrics).verdict == v.REPRODUCED
    path.write_text(json.dumps({"not_run": leaf(1, 1)}))
    assert v.verdict(claim(), metrics).verdict == v.NOT_RUN


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "kinetics/ala2.json:gain.oracle"}, r"no 'oracle' in ala2.json, which has \['random', 'tokens'\]"),
        ({"metric": "kinetics/ala2.json:gain"}, "is a branch with"),
        ({"metric": "kinetics/ala2.json:gain.tokens.value.x"}, "no 'x'"),
        ({"rule": {"kind": "at_least", "value": 1, "unit": "ps"}}, "is in '%', its rule in 'ps'"),
        ({"rule": {"kind": "greater", "than": "kinetics/ala2.json:gain.oracle"}}, "no 'oracle'"),
    ],
)
def test_unknown_metric_or_unlike_unit_is_refused(metrics, change, message):
    with pytest.raises(ValueError, match=message):
        v.verdicts([claim(**change)], metrics)


def test_written_verdicts(metrics, tmp_path):
    schematic = claim(id="Z", stage=None, metric=None, rule=None)
    records = v.verdicts([claim(), claim(id="Y", stage=None, metric=None), schematic], metrics)
    v.write(records, tmp_path / "claims.json")
    stored = json.loads((tmp_path / "claims.json").read_text())
    assert stored["X"] == {"verdict": v.REPRODUCED, "ours": leaf(1, 3, "%")}
    assert stored["Y"] == {"verdict": v.NOT_BUILT}
    assert stored["Z"] == {"verdict": v.NO_RULE}
    assert stored["counts"][v.REPRODUCED] == 1
    assert not list(tmp_path.glob("*.tmp"))

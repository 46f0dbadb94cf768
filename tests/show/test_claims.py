"""claims.yaml itself, and what its reader says of a bad one."""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from lib.paths import METRICS, NOTEBOOKS, ROOT
from lib.show.claims import NOT_FOUND, load
from lib.show.tables import BEGIN, rewritten
from lib.show.verdicts import read, verdicts


GOOD = {
    "id": "P1-C2",
    "paper": "P1",
    "source": "section 4.1",
    "statement": "Tokens gain 20.4 %.",
    "value": 20.4,
    "unit": "%",
    "notebook": "20_kinetics",
    "stage": "kinetics",
    "metric": "kinetics/ala2.json:gain.tokens",
    "rule": {"kind": "at_least", "value": 20.4, "unit": "%"},
    "note": "",
}


@pytest.fixture
def write(tmp_path):
    def write(*entries) -> Path:
        YAML(typ="safe").dump(list(entries), tmp_path / "claims.yaml")
        return tmp_path / "claims.yaml"

    return write


def test_good_entry_is_read(write):
    (claim,) = load(write(GOOD))
    assert claim.value == 20.4
    assert claim.rule["kind"] == "at_least"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, r"'P1-C2' has unknown fields \['extra'\]"),
        ({"paper": "P4"}, "paper is 'P4', expected one of"),
        ({"statement": " "}, "statement is ' ', expected some text"),
        ({"note": None}, "note is None, expected text"),
        ({"question": 3}, "question is 3, expected text"),
        ({"value": None}, "value is None, expected a number"),
        ({"value": True}, "value is True, expected a number"),
        ({"stage": None}, "stage is None but metric is"),
        ({"metric": "kinetics/ala2"}, "metric is 'kinetics/ala2', expected <stage>/<run>.json"),
        ({"metric": "kinetics/ala2.json:gain..tokens"}, "expected <stage>/<run>.json"),
        ({"metric": "transfer/all.json:gain"}, "not of stage 'kinetics'"),
        ({"rule": None}, "has a metric but no rule"),
        ({"rule": {"kind": "about"}}, "whose kind is one of"),
        ({"rule": {"kind": "at_least"}}, r"needs \['unit', 'value'\], got \[\]"),
        ({"rule": {"kind": "positive", "value": 0}}, r"needs \[\], got \['value'\]"),
        ({"rule": {"kind": "at_least", "value": "20", "unit": "%"}}, "value of the rule is '20', expected a number"),
        ({"rule": {"kind": "at_least", "value": 20.4, "unit": ""}}, "the rule is in '', the paper's value in '%'"),
        ({"rule": {"kind": "greater", "than": "tokens"}}, "metric is 'tokens', expected"),
        ({"value": NOT_FOUND}, "the rule can test a sign or a trend only"),
    ],
)
def test_bad_entry_is_refused_in_one_sentence(write, change, message):
    with pytest.raises(ValueError, match=message) as error:
        load(write(GOOD | change))
    assert "\n" not in str(error.value)


def test_missing_field_duplicate_id_and_bad_yaml(write, tmp_path):
    with pytest.raises(ValueError, match=r"lacks the fields \['rule'\]"):
        load(write({key: value for key, value in GOOD.items() if key != "rule"}))
    with pytest.raises(ValueError, match="'P1-C2' appears twice"):
        load(write(GOOD, GOOD))
    (tmp_path / "claims.yaml").write_text("- {id: a, id: b}\n")
    with pytest.raises(ValueError, match="not valid YAML"):
        load(tmp_path / "claims.yaml")
    (tmp_path / "claims.yaml").write_text("")
    with pytest.raises(ValueError, match="expected a list of claims"):
        load(tmp_path / "claims.yaml")


def test_shipped_claims_cover_what_is_known_of_the_papers():
    ids = {claim.id for claim in load()}
    for prefix in [f"P1-C{i}" for i in range(1, 14)] + [f"P2-G{i}" for i in range(1, 7)]:
        assert any(id == prefix or id.startswith(f"{prefix}-") for id in ids), prefix
    assert {claim.paper for claim in load()} == {"P1", "P2", "P3"}


def test_relative_gains_of_p1_are_the_only_numbers_it_has():
    numbers = {c.id: c.value for c in load() if c.paper == "P1" and c.value != NOT_FOUND}
    assert numbers == {
        "P1-C2-ala2": 20.4,
        "P1-C2-ala2-sign": 20.4,
        "P1-C2-pentapeptide": 50.0,
        "P1-C2-lambda": 15.1,
        "P1-C9": "2.1 to 5.3",
    }


def test_built_claims_name_notebooks_that_exist():
    for claim in load():
        if claim.stage:
            assert (NOTEBOOKS / f"{claim.notebook}.ipynb").is_file(), f"{claim.id}: no notebook {claim.notebook}"


def test_metric_paths_of_built_stages_exist():
    wanted = [(c, m) for c in load() if c.metric for m in (c.metric, c.rule.get("than")) if isinstance(m, str)]
    there = [(c, m) for c, m in wanted if (METRICS / m.partition(":")[0]).is_file()]
    if not there:
        pytest.skip("metrics/ holds no run of a stage that tests a claim; `dvc repro` makes them")
    for claim, metric in there:
        read(metric, METRICS, claim.id)  # raises for a key that is neither there nor said to be not run


def test_readme_and_committed_verdicts_are_in_step():
    readme = ROOT / "README.md"
    if not readme.is_file() or BEGIN not in readme.read_text(encoding="utf-8"):
        pytest.skip(f"README.md has no {BEGIN} yet")
    records = verdicts(load())
    text = readme.read_text(encoding="utf-8")
    assert rewritten(text, records) == text, "run `python -m lib.show.claims README.md`"
    if (METRICS / "claims.json").is_file():
        stored = json.loads((METRICS / "claims.json").read_text(encoding="utf-8"))
        assert {r.claim.id: r.verdict for r in records} == {
            id: entry["verdict"] for id, entry in stored.items() if id != "counts"
        }

"""The verdicts in a terminal and in README.md."""

import pytest

from lib.measure.metric import interval
from lib.show import tables
from lib.show.claims import Claim
from lib.show.verdicts import INCONCLUSIVE, NOT_BUILT, REPRODUCED, Verdict


def claim(id: str, statement: str, question: str = "") -> Claim:
    rule = {"kind": "positive"}
    return Claim(id, "P1", "s", statement, 20.4, "%", "20_kinetics", "kinetics", "a.json:b", rule, "", question)


RECORDS = [
    Verdict(claim("A", "It gains | more."), REPRODUCED, interval(12.345678, 10.1, 14.5, 5, "%")),
    Verdict(claim("B", "It loses."), NOT_BUILT),
]


def test_markdown_has_every_claim_and_escapes_pipes():
    text = tables.markdown(RECORDS)
    row = next(line for line in text.splitlines() if "**A**" in line)
    assert row == (
        "| **A** It gains \\| more. | 20.4 % | 12.35 % (10.1 to 14.5), n = 5 "
        "| ✔ reproduced | [20_kinetics](notebooks/20_kinetics.ipynb) |"
    )
    first, judged, others = text.split("<details>")
    assert "**A**" in judged
    assert "**B**" in others
    assert "question" not in first


def test_questions_come_first_with_their_answers():
    asked = Verdict(claim("C", "It gains.", "Does it | gain?"), REPRODUCED, RECORDS[0].ours)
    first = tables.markdown([*RECORDS, asked]).split("<details>")[0].splitlines()
    assert first[-2] == "| Does it \\| gain? | 20.4 % | 12.35 % (10.1 to 14.5), n = 5 | ✔ reproduced (C) |"


def test_without_interval_says_so():
    assert tables.number({"value": 0.5, "low": None, "high": None, "n": 1, "unit": "ps"}) == "0.5 ps"
    single = Verdict(RECORDS[0].claim, INCONCLUSIVE, {"value": 0.5, "low": None, "high": None, "n": 1, "unit": ""})
    assert tables.why(single).startswith("no interval")


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (2.41, "2.41"), (0.00012, "0.00012"), (12345.6, "12,346"), (100, "100")]
)
def test_digits(value, text):
    assert tables.digits(value) == text


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"kind": "at_least", "value": 20.4, "unit": "%"}, "at least 20.4 %"),
        ({"kind": "within", "value": 50, "tolerance": 2.5, "unit": "%"}, "within 2.5 of 50 %"),
        ({"kind": "less", "than": 1.0}, "less than 1"),
        ({"kind": "greater", "than": "kinetics/ala2.json:vamp2.distances"}, "greater than vamp2.distances"),
        ({"kind": "positive"}, "positive"),
    ],
)
def test_rule_in_words(rule, text):
    assert tables.in_words(rule) == text


def test_readme_table_is_replaced_and_nothing_else():
    text = f"# Title\n\n{tables.BEGIN}\nold\n{tables.END}\n\nTail\n"
    once = tables.rewritten(text, RECORDS)
    assert once.startswith(f"# Title\n\n{tables.BEGIN}\n2 claims: 1 reproduced, 1 not built.")
    assert once.endswith(f"{tables.END}\n\nTail\n")
    assert "old" not in once
    assert tables.rewritten(once, RECORDS) == once


@pytest.mark.parametrize("text", ["no markers", f"{tables.BEGIN} only", f"{tables.END} {tables.BEGIN}"])
def test_readme_without_markers_is_refused(text):
    with pytest.raises(ValueError, match="needs one line"):
        tables.rewritten(text, RECORDS)


def test_terminal_table_names_paper_ours_and_rule():
    text = tables.terminal(RECORDS)
    assert "✔ reproduced" in text
    assert "paper 20.4 % | ours 12.35 % (10.1 to 14.5), n = 5 | rule: positive" in text
    assert text.splitlines()[-1] == "2 claims: 1 reproduced, 1 not built"


def test_command_rewrites_a_file(tmp_path, capsys):
    readme = tmp_path / "README.md"
    readme.write_text(f"{tables.BEGIN}\n{tables.END}\n")
    tables.main([str(readme)])
    assert "P1-C2-ala2" in readme.read_text(encoding="utf-8")
    assert "claims:" in capsys.readouterr().out
    readme.write_text("nothing")
    with pytest.raises(SystemExit, match="needs one line"):
        tables.main([str(readme)])

"""The small pictures of the claims table: every mark where its number belongs."""

import re
from xml.etree import ElementTree

import pytest

from lib.show.beside import MARGIN, WIDTH, beside, rule_edges
from lib.show.claims import Claim, load
from lib.show.verdicts import Verdict, verdicts


def leaf(value, low=None, high=None, unit="%"):
    return {"value": value, "low": low, "high": high, "unit": unit, "n": 3}


def record(rule, ours, value=20.4, other=None):
    claim = Claim("P1-C0", "P1", "abstract", "x", value, "%", "20_kinetics", "kinetics", "kinetics/a.json:b", rule, "")
    return Verdict(claim, "inconclusive", ours, other)


def marks(picture: str) -> dict[str, ElementTree.Element]:
    return {element.get("class"): element for element in ElementTree.fromstring(picture).iter() if element.get("class")}


def test_marks_stand_in_the_order_of_their_numbers():
    found = marks(beside(record({"kind": "positive"}, leaf(-1.0, -2.0, 3.0))))
    left, dot, right = (
        float(found["interval"].get("x1")),
        float(found["ours-mark"].get("cx")),
        float(found["interval"].get("x2")),
    )
    diamond = [float(x) for x in re.findall(r"([\d.]+),", found["papers-mark"].get("points"))]
    zero = float(found["edge"].get("x1"))
    assert MARGIN < left < dot < zero < right < sum(diamond) / 4 < WIDTH - MARGIN
    assert (dot - left) / (right - left) == pytest.approx(1 / 5, abs=0.01)  # -1 between -2 and 3
    shaded = found["holds"]
    assert float(shaded.get("x")) == zero
    assert float(shaded.get("x")) + float(shaded.get("width")) == pytest.approx(WIDTH - MARGIN, abs=0.2)


def test_the_papers_value_is_drawn_only_in_the_unit_of_ours():
    rule = {"kind": "positive"}
    assert "papers-mark" not in marks(beside(record(rule, leaf(1.0, unit="MB"))))
    assert "papers-mark" not in marks(beside(record(rule, leaf(1.0), value="not found")))
    assert "interval" not in marks(beside(record(rule, leaf(1.0))))
    assert beside(record(rule, None)) == ""


@pytest.mark.parametrize(
    ("rule", "other", "edges"),
    [
        ({"kind": "within", "value": 5, "tolerance": 1}, None, (4, 6)),
        ({"kind": "at_least", "value": 5}, None, (5, float("inf"))),
        ({"kind": "at_most", "value": 5}, None, (-float("inf"), 5)),
        ({"kind": "greater", "than": "a.json:b"}, leaf(1, 0, 2), (2, float("inf"))),
        ({"kind": "less", "than": "a.json:b"}, leaf(1, 0, 2), (-float("inf"), 0)),
        ({"kind": "less", "than": "a.json:b"}, leaf(1), ()),
    ],
)
def test_edges_are_those_of_the_rule(rule, other, edges):
    assert rule_edges(rule, other) == edges
    assert beside(record(rule, leaf(3.0, 3.0, 3.0), other=other)).startswith("<svg")


def test_every_claim_with_a_number_has_a_well_formed_picture():
    for found in verdicts(load()):
        picture = beside(found)
        assert bool(picture) == (found.ours is not None and found.ours["value"] is not None)
        if picture:
            ElementTree.fromstring(picture)

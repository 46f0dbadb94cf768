import json

import pytest

from lib.measure.metric import estimate, exact, interval, write


def test_estimate_holds_mean_interval_count_and_tolerance():
    m = estimate([1.0, 2.0, 3.0], "ps")
    assert (m["value"], m["n"], m["unit"], m["tolerance"]) == (2, 3, "ps", 3)
    assert m["low"] < 2 < m["high"]
    assert estimate([1.0, 2.0], tolerance=0.5)["tolerance"] == 0.5


def test_a_single_run_claims_no_interval():
    assert estimate([1.0]) == {"value": 1, "low": None, "high": None, "n": 1, "unit": "", "tolerance": 0}


def test_write_is_sorted_rounded_and_atomic(tmp_path):
    path = tmp_path / "kinetics" / "x.json"
    write(path, {"b": {"c": exact(1 / 3)}, "a": interval(1234567.8, 1, 2, 5, "ps")})
    stored = json.loads(path.read_text())
    assert list(stored) == ["a", "b"]
    assert stored["b"]["c"]["value"] == 0.333333
    assert stored["a"]["value"] == 1234570
    assert list(path.parent.iterdir()) == [path]


def test_what_is_not_a_metric_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(ValueError, match=r"metrics\.a\.b is 3, expected a metric"):
        write(tmp_path / "x.json", {"a": {"b": 3}})
    assert not list(tmp_path.iterdir())


def test_not_a_number_becomes_null(tmp_path):
    assert exact(float("nan"))["value"] is None
    assert exact(float("inf"))["value"] is None
    with pytest.raises(ValueError, match="tolerance nan"):
        exact(1.0, tolerance=float("nan"))

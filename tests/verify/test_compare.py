import pytest

from lib.verify.compare import DIFFERENT, SAME, WITHIN, compare, compare_file, report


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


def test_the_worst_row_is_the_exit_status(capsys):
    rows = compare({"a": metric(1), "b": metric(1, 1)}, {"a": metric(1), "b": metric(2, 1)}, "metrics/x.json")
    assert report(rows) == WITHIN
    said = capsys.readouterr().out
    assert "metrics/x.json.b: 1 -> 2" in said
    assert "metrics/x.json.a" not in said
    assert report([]) == SAME

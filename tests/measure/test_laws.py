import numpy as np
import pytest

from lib.measure import laws
from lib.measure.metric import exact, interval
from lib.measure.scaling import predict_largest


@pytest.fixture
def curve():
    """Three seeds at six sizes around .2 + .5 N^-.5, above a known floor of .1."""
    random = np.random.default_rng(0)
    sizes = np.repeat(np.geomspace(1, 100, 6), 3)
    return 1e3 * sizes, (0.3 + 0.5 * sizes**-0.5) * np.exp(0.005 * random.standard_normal(18))


def test_the_law_is_found_above_the_known_floor(curve):
    found = laws.laws(*curve, known=0.1, draws=200)
    assert found["exponent"]["low"] < 0.5 < found["exponent"]["high"]
    assert found["floor_above_known"]["value"] == pytest.approx(0.2, abs=0.03)
    assert laws.preferred(found) == "floor"
    assert laws.judged(found["pure_minus_floor"]) == "yes"
    row = laws.summary(found)
    assert row["exponent"].startswith(f"{found['exponent']['value']:.3g} (")
    assert float(row["AICc floor"]) == pytest.approx(found["aicc"]["floor"]["value"], abs=0.05)


def test_a_form_with_too_few_runs_is_never_preferred():
    found = {"aicc": {"pure": exact(-3.0), "floor": exact(float("inf"))}}
    assert laws.preferred(found) == "pure"


@pytest.mark.parametrize(
    ("low", "high", "sign", "word"),
    [(1, 2, 1, "yes"), (-2, -1, 1, "no"), (-1, 1, 1, "undecided"), (-2, -1, -1, "yes"), (1, 2, -1, "no")],
)
def test_judgement_needs_the_whole_interval(low, high, sign, word):
    assert laws.judged(interval((low + high) / 2, low, high, 3), sign) == word


def test_one_run_decides_nothing():
    assert laws.judged(exact(5.0)) == "undecided"


def test_change_is_paired_by_seed():
    losses = {"a": [1.0, 2.0, 3.0], "b": [0.5, 1.5, 2.5]}
    leaf = laws.change(losses, ["a", "b"])
    assert (leaf["value"], leaf["low"], leaf["high"]) == (-0.5, -0.5, -0.5)


def test_doublings_compare_the_first_with_the_last():
    losses = {2: [1.0, 1.1], 3: [0.9, 0.9], 4: [0.7, 0.8], 5: [0.65, 0.65], 10: [0.6, 0.6]}
    assert laws.doublings(losses, sorted(losses))["value"] == pytest.approx(0.3 - 0.05)
    assert laws.doublings({2: [1.0], 3: [0.9], 4: [0.8]}, [2, 3, 4]) is None


def test_equal_encoders_do_not_differ_by_more_than_seeds_do():
    random = np.random.default_rng(0)
    one, other = ({v: random.normal(1, 0.05, 5) for v in range(6)} for _ in range(2))
    assert laws.difference_over_spread(one, other)["value"] < 0
    shifted = {v: np.asarray(x) - 0.5 for v, x in other.items()}
    for pair in ((one, shifted), (shifted, one)):  # whichever is the better one
        assert laws.difference_over_spread(*pair)["low"] == pytest.approx(0.45, abs=0.05)


def test_prediction_error_is_relative_to_what_was_found(curve):
    sizes, losses = curve
    told = predict_largest(sizes, losses, "floor", 0.1, 200)
    leaf = laws.foretold(told, 15, 3)
    assert leaf["error_percent"]["value"] == pytest.approx(100 * (told.predicted / told.found - 1))
    assert leaf["predicted"]["low"] < told.predicted < leaf["predicted"]["high"]
    assert leaf["error_minus_spread"]["value"] == pytest.approx(abs(told.predicted - told.found) - told.spread)

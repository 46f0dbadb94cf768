from types import SimpleNamespace

import numpy as np
import pytest
from dynamics.chains import sample

from lib.dynamics.lag import choose_lag, ladder, lags_in_frames
from lib.dynamics.resampling import block_counts, bootstrap_markov, likely_timescales


LAGS = np.array([1.0, 2, 4, 8])
MATRIX = np.array([[0.97, 0.02, 0.01], [0.02, 0.95, 0.03], [0.001, 0.009, 0.99]])
SLOWEST = -1 / np.log(np.sort(np.linalg.eigvals(MATRIX).real)[-2])


def spread(value, width):
    return np.array(value)[:, None] * np.linspace(1 - width, 1 + width, 41)


def test_a_flat_known_timescale_takes_the_shortest_lag():
    found = choose_lag(LAGS, [50, 52, 49, 51], spread([50, 52, 49, 51], 0.1))
    assert found.index == 0
    assert found.reasons[:2] == ["", ""]
    assert "longer resolved lags" in found.reasons[2]


def test_a_rising_timescale_waits_for_its_plateau():
    value = [20, 35, 50, 50, 51]
    found = choose_lag([1, 2, 4, 8, 16], value, spread(value, 0.1))
    assert found.index == 2
    assert "a longer lag moves it by 155%" in found.reasons[0]


@pytest.mark.parametrize(
    ("value", "width", "reason"),
    [
        ([10, 20, 40, 80], 0.1, "not flat"),
        ([50, 50, 50, 50], 0.8, "not known"),
        ([0.5, 1, 2, 4], 0.1, "not resolved"),
    ],
)
def test_no_lag_qualifies_and_the_reason_is_given(value, width, reason):
    found = choose_lag(LAGS, value, spread(value, width))
    assert found.index is None
    assert found.reasons[0].startswith(reason)


def test_timescales_that_failed_do_not_qualify():
    nothing = np.full((4, 5), np.nan)
    assert choose_lag(LAGS, [np.nan] * 4, nothing).index is None
    with pytest.raises(ValueError, match="expected ascending"):
        choose_lag([2, 1], [5, 5], np.ones((2, 3)))


def test_a_sampled_chain_gets_its_shortest_lag_and_a_hidden_one_does_not():
    chains = [sample(MATRIX, 15_000, seed) for seed in (1, 2)]
    lags = [1, 2, 5, 10, 20]
    drawn = np.array([bootstrap_markov(chains, lag, 1, 30)[:, 0] for lag in lags])
    value = np.array([likely_timescales(chains, lag, 2)[0] for lag in lags])
    assert (np.quantile(drawn, 0.01, axis=1) < SLOWEST).all()
    assert (np.quantile(drawn, 0.99, axis=1) > SLOWEST).all()
    np.testing.assert_allclose(value, SLOWEST, rtol=0.2)
    assert choose_lag(lags, value, drawn).index == 0
    rng = np.random.default_rng(0)
    hidden = [np.where(rng.random(len(c)) < 0.3, rng.integers(0, 3, len(c)), c) for c in chains]  # flickers
    drawn = np.array([bootstrap_markov(hidden, lag, 1, 30)[:, 0] for lag in lags])
    value = np.array([likely_timescales(hidden, lag, 1)[0] for lag in lags])
    found = choose_lag(lags, value, drawn)
    assert found.index != 0
    assert "not flat" in found.reasons[0]


def test_blocks_hold_each_pair_once():
    chains = [sample(MATRIX, n, n) for n in (500, 33, 3)]
    counts = block_counts(chains, 4, 50)
    whole = sum(np.histogram2d(c[:-4], c[4:], bins=range(4))[0] for c in chains[:2])
    np.testing.assert_array_equal(counts.sum(0), whole)
    with pytest.raises(ValueError, match="1 blocks of 50 frames"):
        block_counts([chains[1]], 4, 50)


def test_a_set_with_fewer_processes_gives_nan():
    assert np.isnan(bootstrap_markov([np.zeros(100, int)], 1, 2, 3)).all()
    found = likely_timescales([sample(MATRIX, 3000, 0)], 1, 4)
    assert np.isfinite(found[:2]).all()
    assert np.isnan(found[2:]).all()


def test_lags_are_whole_frames():
    mine = SimpleNamespace(name="mine", frame_ps=10.0)
    assert lags_in_frames([0.02, 0.04, 0.1], mine, 2, [100]) == [1, 2, 5]
    assert lags_in_frames([], mine, 1, [2000, 30])[:3] == [1, 3, 6]
    for wrong, words in (
        ([0.02, 0.05, 0.1], "lag 50 ps is 2.5 frames of mine"),
        ([0.02, 0.04], "expected at least 3 ascending"),
        ([0.04, 0.02, 0.1], "ascending"),
        ([0.02, 0.04, 4.0], "the lag of 4 ns is too long: the longest trajectory has 2 ns"),
    ):
        with pytest.raises(ValueError, match=words):
            lags_in_frames(wrong, mine, 2, [100, 20])
    with pytest.raises(ValueError, match="too short"):
        ladder(5, 9)

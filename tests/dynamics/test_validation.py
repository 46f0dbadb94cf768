import numpy as np
import pytest

from lib.dynamics.validation import (
    chapman_kolmogorov,
    largest_deviation,
    markov_model,
    markov_timescales,
    metastability,
    model_of_states,
    plateau_rise,
    singular_functions,
    timescales,
)


TRANSITIONS = np.array([[0.97, 0.02, 0.01], [0.02, 0.95, 0.03], [0.001, 0.009, 0.99]])
SLOWEST = -1 / np.log(np.sort(np.linalg.eigvals(TRANSITIONS).real)[-2])


def jumps(frames, seed, noise=0.05):
    """States (frame,) of the chain TRANSITIONS, and outputs (frame, 2) that tell them apart."""
    rng = np.random.default_rng(seed)
    draws, state = rng.random(frames), np.zeros(frames, int)
    steps = TRANSITIONS.cumsum(1)
    for t in range(1, frames):
        state[t] = np.searchsorted(steps[state[t - 1]], draws[t])
    centres = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    return state, centres[state] + noise * rng.standard_normal((frames, 2))


SERIES = [jumps(20_000, seed) for seed in (1, 2)]
OUTPUTS = [outputs for _, outputs in SERIES]


def test_timescales_of_a_markov_chain_are_flat_and_right():
    clear = [jumps(20_000, seed, noise=1e-3)[1] for seed in (1, 2)]
    slowest = timescales(clear, [1, 2, 5, 10, 20], 2).timescales_for_process(0)
    np.testing.assert_allclose(slowest, SLOWEST, rtol=0.12)
    assert plateau_rise(slowest[:, None]) == pytest.approx(1, abs=0.15)
    with pytest.raises(ValueError, match="expected at least two"):
        timescales(OUTPUTS, [1], 2)


def test_noise_on_the_outputs_shows_as_timescales_that_rise_with_the_lag():
    slowest = timescales(OUTPUTS, [1, 20], 1).timescales_for_process(0)
    assert plateau_rise(slowest[:, None]) > 1.4


def test_timescales_do_not_depend_on_the_scale_of_the_outputs():
    lags = [1, 5]
    plain = timescales(OUTPUTS, lags, 2).timescales_for_process(0)
    tiny = timescales([1e-6 * o + 3 for o in OUTPUTS], lags, 2).timescales_for_process(0)
    np.testing.assert_allclose(tiny, plain, rtol=1e-5)


def stationary():
    return np.linalg.matrix_power(TRANSITIONS, 10_000)[0]


@pytest.fixture(scope="module")
def model():
    return markov_model(OUTPUTS, 5, 3, clusters=12, samples=20)


def test_states_are_those_of_the_chain(model):
    truth, found = np.concatenate([s for s, _ in SERIES]), np.concatenate(model.states)
    match = [np.bincount(found[truth == s], minlength=3).argmax() for s in range(3)]
    assert sorted(match) == [0, 1, 2]
    assert np.mean(np.array(match)[truth] == found) > 0.98
    assert (np.diff(model.populations) >= 0).all()
    assert model.populations.sum() == pytest.approx(1)
    assert np.mean(found == 2) == pytest.approx(model.populations[2], abs=0.03)


def test_chapman_kolmogorov_holds_for_a_markov_chain(model):
    result = chapman_kolmogorov(model, (2, 3, 4), samples=20)
    assert list(result.lagtimes) == [0, 5, 10, 15, 20]
    assert largest_deviation(result) < 0.03
    exact = np.linalg.matrix_power(TRANSITIONS, 20)
    stay = np.diagonal(exact)[np.argsort(stationary())]  # states are numbered by rising population
    np.testing.assert_allclose(np.diagonal(result.estimates[-1]), stay, atol=0.06)


def test_chapman_kolmogorov_fails_where_memory_is_hidden():
    """A state seen through noise that flickers on the time scale of the lag is not Markovian."""
    rng = np.random.default_rng(0)
    flicker = [np.where(rng.random(len(s)) < 0.35, rng.integers(0, 3, len(s)), s) for s, _ in SERIES]
    noisy = [np.eye(3)[f][:, :2] + 1e-3 * rng.standard_normal((len(f), 2)) for f in flicker]
    result = chapman_kolmogorov(markov_model(noisy, 1, 3, clusters=6, samples=5), (2, 3, 4), samples=5)
    assert largest_deviation(result) > 0.1


def test_a_markov_model_is_repeatable(model):
    again = markov_model(OUTPUTS, 5, 3, clusters=12, samples=20)
    for a, b in zip(model.states, again.states):
        np.testing.assert_array_equal(a, b)
    pair = [[s.transition_matrix for s in m.posterior.samples] for m in (model, again)]
    np.testing.assert_array_equal(*pair)


def test_a_model_of_states_that_are_given_is_that_of_the_chain():
    states = [s for s, _ in SERIES]
    model = model_of_states(states, 5, samples=20)
    exact = np.linalg.matrix_power(TRANSITIONS, 5)
    np.testing.assert_allclose(model.posterior.prior.transition_matrix, exact, atol=0.02)
    np.testing.assert_allclose(model.populations, stationary(), atol=0.05)
    assert metastability(model) == pytest.approx(np.diagonal(exact).mean(), abs=0.02)
    assert largest_deviation(chapman_kolmogorov(model, (2, 3, 4), samples=10)) < 0.03
    renamed = model_of_states([np.where(s == 2, 4, s) for s in states], 5, samples=5)  # 2 and 3 are never seen
    np.testing.assert_allclose(renamed.populations, [*model.populations[:2], 0, 0, model.populations[2]], atol=1e-9)
    np.testing.assert_array_equal(np.concatenate(renamed.states) == 4, np.concatenate(states) == 2)
    with pytest.raises(ValueError, match="expected at least 2"):
        model_of_states([np.zeros(100, int)], 1)


def test_bayesian_timescales_of_the_chain_hold_the_exact_one():
    found = markov_timescales([s for s, _ in SERIES], [1, 2, 5, 10, 20], 2, samples=20)
    assert found.timescales_for_process(0) == pytest.approx(SLOWEST, rel=0.15)
    low, high = np.quantile(found.samples_for_process(0), [0, 1], axis=1)
    assert (low < SLOWEST).all()
    assert (high > SLOWEST).all()
    with pytest.raises(ValueError, match="expected at least two"):
        markov_timescales([s for s, _ in SERIES], [1], 2)


def test_singular_functions_are_ordered_by_slowness():
    functions = np.concatenate(singular_functions(OUTPUTS, 5))
    decay = [np.corrcoef(f[:-5], f[5:])[0, 1] for f in functions.T]
    assert decay[0] > decay[1]
    assert functions.std(0) == pytest.approx(1, abs=0.02)


def test_more_states_than_clusters_is_refused():
    with pytest.raises(ValueError, match="expected at least 5 states"):
        markov_model(OUTPUTS, 5, 5, clusters=3)

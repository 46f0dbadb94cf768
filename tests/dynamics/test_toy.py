import numpy as np
import pytest

from lib.dynamics.toy import autoregressive, exact_vamp2, four_wells, metastable_chain, simulate_chain, well
from lib.dynamics.vamp import rewhitened_score


def test_the_exact_score_of_the_five_state_chain():
    assert exact_vamp2(metastable_chain(5, 0.98), 1) == pytest.approx(4.8416, abs=1e-12)
    assert exact_vamp2(metastable_chain(5, 0.98), 10) == pytest.approx(1 + 4 * 0.98**20, abs=1e-12)


def test_the_exact_score_of_an_irreversible_chain_is_that_of_its_singular_values():
    cycle = np.array([[0.8, 0.2, 0.0], [0.0, 0.8, 0.2], [0.2, 0.0, 0.8]])  # doubly stochastic: D is constant
    assert exact_vamp2(cycle, 1) == pytest.approx(np.square(np.linalg.svd(cycle)[1]).sum(), abs=1e-12)


def test_a_simulated_chain_scores_as_the_exact_one():
    chain = metastable_chain(3, 0.9)
    states = simulate_chain(chain, 40_000, 3, seed=1)
    assert rewhitened_score([np.eye(3)[s] for s in states], 2) == pytest.approx(exact_vamp2(chain, 2), abs=0.03)
    again = simulate_chain(chain, 40_000, 3, seed=1)
    np.testing.assert_array_equal(np.concatenate(states), np.concatenate(again))


def test_autoregressive_noise_has_the_moments_it_is_said_to_have():
    rho = np.array([0.9, 0.5, 0.0])
    x = autoregressive(200_000, rho, seed=0)
    np.testing.assert_allclose(np.cov(x.T), np.eye(3), atol=0.05)
    np.testing.assert_allclose((x[:-3] * x[3:]).mean(0), rho**3, atol=0.03)


def test_four_wells_are_visited_and_repeatable():
    first, second = four_wells(1500, 2, seed=3)
    assert first.shape == (1500, 2)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, four_wells(1500, 2, seed=3)[0])
    assert len(np.unique(well(np.concatenate([first, second])))) == 4
    assert np.abs(np.abs(first).mean(0) - 1).max() < 0.2
    assert 1 <= (np.diff(well(first)) != 0).sum() < 100


@pytest.mark.parametrize("call", [lambda: metastable_chain(1, 0.5), lambda: metastable_chain(3, 1.0),
                                  lambda: autoregressive(5, [1.5], 0)])  # fmt: skip
def test_wrong_input(call):
    with pytest.raises(ValueError, match="expected"):
        call()

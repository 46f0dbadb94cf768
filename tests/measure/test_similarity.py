"""CKA and CCA where the answer is known: copies, linear maps, independent data, and the sums written out."""

import numpy as np
import pytest

from lib.measure.similarity import Cca, Side, cka, held_out_cca, hsic, shifted, truncated


RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 6)) * [5, 4, 3, 2, 1, 1] + 3
TURN = np.linalg.qr(RANDOM.normal(size=(6, 6)))[0]


def brute_hsic(x, y):
    """Song et al. 2012, equation 4, as it is printed, with n x n matrices."""
    k, kernel = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(kernel, 0)
    n, one = len(x), np.ones(len(x))
    trace = np.trace(k @ kernel) + one @ k @ one * (one @ kernel @ one) / ((n - 1) * (n - 2))
    return (trace - 2 / (n - 2) * (one @ k @ kernel @ one)) / (n * (n - 3))


def test_hsic_is_the_printed_sum():
    y = np.random.default_rng(1).normal(size=(200, 3)) ** 2 + X[:, :3] + 1
    assert hsic(X, y) == pytest.approx(brute_hsic(X, y), rel=1e-10)


def test_cka_of_rotated_scaled_and_moved_copies_is_one():
    assert cka(X, -3 * X @ TURN + 11) == pytest.approx(1, abs=1e-12)
    assert cka(X, X @ np.diag([1, 1, 1, 1, 1, 9.0])) < 0.99  # but not of any linear map


def test_cka_of_independent_data_has_expectation_zero_in_high_dimension():
    found = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        found.append(cka(random.normal(size=(30, 50)), random.normal(size=(30, 40))))
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found)) < 4 * error
    assert error < 0.02
    biased = np.linalg.norm(np.cov(RANDOM.normal(size=(30, 90)).T)[:50, 50:]) > 1  # what is not there without debiasing
    assert biased


def test_cka_needs_samples_and_variance():
    assert cka(np.full((10, 2), 0.1), X[:10]) == 0
    np.testing.assert_array_equal(held_out_cca([np.ones((10, 2))] * 2, {"x": [X[:10]] * 2})["x"], [0, 0])
    with pytest.raises(ValueError, match="3 and 3 samples"):
        cka(X[:3], X[:3])
    with pytest.raises(ValueError, match="200 and 199 samples"):
        cka(X, X[1:])


def cca(x, y, **how):
    return Cca(Side(x, **how), Side(y, **how), x, y)


def test_cca_of_a_linear_map_is_one():
    mapped = X @ RANDOM.normal(size=(6, 6)) + 4
    np.testing.assert_allclose(cca(X, mapped, shrinkage=0, kept=1).correlations(X, mapped), 1, atol=1e-8)
    assert cca(X, mapped).correlations(X, mapped)[0] > 0.99  # shrinkage costs little


def test_cca_finds_the_correlations_that_were_put_in():
    random = np.random.default_rng(2)
    common = random.normal(size=(20_000, 2))
    rho = np.array([0.9, 0.5])
    other = rho * common + np.sqrt(1 - rho**2) * random.normal(size=common.shape)
    x, y = common @ random.normal(size=(2, 2)), other @ random.normal(size=(2, 2))
    np.testing.assert_allclose(cca(x, y, shrinkage=0, kept=1).correlations(x, y), rho, atol=0.02)


def test_held_out_cca_of_noise_is_zero_where_that_of_the_fit_is_not():
    random = np.random.default_rng(3)
    x, y = ([random.normal(size=(100, 30)) for _ in range(4)] for _ in range(2))
    inside = cca(x[0], y[0], shrinkage=0, kept=1).correlations(x[0], y[0])
    assert inside[0] > 0.7
    assert abs(held_out_cca(x, {"noise": y})["noise"].mean()) < 0.06


def test_truncation_keeps_the_variance_asked_for():
    axes = truncated(X, 0.9)
    kept = np.var(X @ axes, axis=0).sum() / np.var(X, axis=0).sum()
    fewer = np.var(X @ axes[:, :-1], axis=0).sum() / np.var(X, axis=0).sum()
    assert fewer < 0.9 <= kept + 1e-12
    assert truncated(X, 1.0).shape == (6, 6)


def test_a_shift_keeps_the_series_but_not_the_alignment():
    series = [np.arange(100.0)[:, None]]
    (moved,) = shifted(series, np.random.default_rng(0))
    assert sorted(moved[:, 0]) == list(range(100))
    assert 20 <= 100 - moved[0, 0] <= 80

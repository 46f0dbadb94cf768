import numpy as np
import pytest
import torch
from deeptime.decomposition import VAMP
from deeptime.decomposition.deep import vamp_score as deeptime_score

from lib.dynamics.vamp import (
    batch_mean_score,
    bound,
    check_bounds,
    covariances,
    cross_validated_score,
    koopman,
    lagged_pairs,
    reversible,
    rewhitened_score,
    vamp_score,
    whitening,
)


RHO = np.array([0.95, 0.8, 0.5])


def correlated(pairs, noise=0, seed=0):
    """Gaussian pairs with canonical correlations RHO and `noise` columns without any; true VAMP-2 is 2.7925."""
    rng = np.random.default_rng(seed)
    rho = np.concatenate([RHO, np.zeros(noise)])
    x = rng.standard_normal((pairs, len(rho)))
    return torch.from_numpy(x), torch.from_numpy(rho * x + np.sqrt(1 - rho**2) * rng.standard_normal(x.shape))


def autoregressive(frames, seed=0):
    rng = np.random.default_rng(seed)
    x = np.zeros((frames, 3))
    for t in range(1, frames):
        x[t] = RHO * x[t - 1] + np.sqrt(1 - RHO**2) * rng.standard_normal(3)
    return x


def chain_pairs(k=5, stay=0.98, dtype=np.float64):
    """All (i, j) of the chain P = stay 1 + (1 - stay)/k with their exact weights, as repeated one-hot pairs."""
    counts = np.round(1e4 * (stay * np.eye(k) + (1 - stay) / k)).astype(int)
    i, j = np.indices((k, k)).reshape(2, -1)
    i, j = np.repeat(i, counts.ravel()), np.repeat(j, counts.ravel())
    return torch.from_numpy(np.eye(k, dtype=dtype)[i]), torch.from_numpy(np.eye(k, dtype=dtype)[j])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_exact_chain(dtype):
    """One-hot outputs are rank-deficient: in float32 arithmetic the score reaches 7 to 3e4 (tasks 1.3)."""
    x, y = chain_pairs(dtype=dtype)
    for method, exact in (("VAMP2", 1 + 4 * 0.98**2), ("VAMP1", 1 + 4 * 0.98), ("VAMPE", 1 + 4 * 0.98**2)):
        assert float(vamp_score(x, y, method)) == pytest.approx(exact, abs=1e-9)


def test_known_canonical_correlations():
    x, y = correlated(400_000)
    assert float(vamp_score(x, y)) == pytest.approx(2.7925, abs=0.005)
    assert float(vamp_score(x, y, "VAMP1")) == pytest.approx(1 + RHO.sum(), abs=0.005)
    assert float(vamp_score(x, y, "VAMPE")) == pytest.approx(float(vamp_score(x, y)), abs=1e-9)


@pytest.mark.parametrize(("mode", "tolerance"), [("truncate", 1e-6), ("regularize", 1e-3)])
@pytest.mark.parametrize("scale", [1e-5, 1.0, 1e4])
def test_affine_invariance(mode, tolerance, scale):
    x, y = correlated(5000)
    mix = scale * torch.tensor([[1.0, 0.3, -2.0], [0.0, 0.7, 5.0], [0.2, 0.0, 1.5]], dtype=torch.float64)
    epsilon = 1e-10 if mode == "truncate" else 1e-6
    plain = float(vamp_score(x, y, epsilon=epsilon, mode=mode))
    mapped = float(vamp_score(x @ mix + 3 * scale, y @ mix + 3 * scale, epsilon=epsilon, mode=mode))
    assert mapped == pytest.approx(plain, abs=tolerance)


def test_regularised_loss_does_not_depend_on_the_scale():
    x, y = correlated(5000)
    for scale in (1e-3, 1e3):
        scaled = vamp_score(scale * x, scale * y, epsilon=1e-6, mode="regularize")
        assert float(scaled) == pytest.approx(float(vamp_score(x, y, epsilon=1e-6, mode="regularize")), abs=1e-9)


@pytest.mark.parametrize("method", ["VAMP1", "VAMP2"])
@pytest.mark.parametrize(("ours", "theirs"), [("truncate", "trunc"), ("regularize", "regularize")])
def test_parity_with_deeptime(method, ours, theirs):
    x, y = correlated(3000, noise=2)
    expected = float(deeptime_score(x, y, method=method, mode=theirs, epsilon=1e-10))
    assert float(vamp_score(x, y, method, 1e-10, ours)) == pytest.approx(expected, abs=1e-6)


def test_vamp_e_is_that_of_deeptime_in_numpy():
    """deeptime's torch VAMP-E swaps the singular vectors and misses VAMP-2 by 1e-2; its NumPy one is right."""
    x, y = correlated(3000, noise=2)
    expected = VAMP(epsilon=1e-10).fit((x.numpy(), y.numpy())).fetch_model().score("E")
    assert float(vamp_score(x, y, "VAMPE")) == pytest.approx(expected, abs=1e-6)


def test_cross_validated_score_is_that_of_deeptime():
    train, test = [autoregressive(3000, 1), autoregressive(2000, 2)], [autoregressive(2500, 3)]
    mix = np.random.default_rng(4).normal(size=(3, 6))  # rank 3 of 6 columns
    train, test = [t @ mix for t in train], [t @ mix for t in test]
    model = VAMP(lagtime=2, epsilon=1e-9).fit_fetch(train)
    expected = model.score(r=2, test_model=VAMP(lagtime=2, epsilon=1e-9).fit_fetch(test), epsilon=1e-9)
    assert cross_validated_score(train, test, 2) == pytest.approx(expected, abs=1e-6)


def test_cross_validated_score_of_training_data_is_the_plain_score():
    data = [autoregressive(3000)]
    assert cross_validated_score(data, data, 1) == pytest.approx(rewhitened_score(data, 1), abs=1e-9)


def test_null_bias_of_the_batch_mean():
    """Independent outputs have VAMP-2 = 1; the batch mean says 1 + d^2 / (B - 1) (tasks 1.3)."""
    data = [np.random.default_rng(0).standard_normal((100_001, 10))]
    expected = 100 / 999
    contiguous = batch_mean_score(data, 1, 1000) - 1
    shuffled = batch_mean_score(data, 1, 1000, torch.Generator().manual_seed(0)) - 1
    assert contiguous == pytest.approx(expected, rel=0.05)
    assert shuffled == pytest.approx(expected, rel=0.05)
    assert rewhitened_score(data, 1) - 1 < 0.003


def test_batch_mean_of_one_batch_is_the_full_score():
    data = [autoregressive(500)]
    assert batch_mean_score(data, 1, 10_000) == pytest.approx(rewhitened_score(data, 1), abs=1e-12)


def test_pairs_never_cross_boundaries():
    first, second = lagged_pairs([5, 3, 7], 2)
    trajectory = np.repeat([0, 1, 2], [5, 3, 7])
    assert (trajectory[first] == trajectory[second]).all()
    assert (second - first == 2).all()
    assert len(first) == 3 + 1 + 5


def test_a_constant_output_scores_one():
    constant = [np.full((100, 3), 0.1)]
    assert rewhitened_score(constant, 1) == 1
    assert cross_validated_score(constant, constant, 1) == 1


def cycle(frames, seed=0):
    """One-hot outputs without their last column of a three-state chain that prefers one direction."""
    rng = np.random.default_rng(seed)
    return np.eye(3)[np.cumsum(rng.random(frames) < 0.1) % 3][:, :2]


def test_the_reversible_koopman_matrix_is_self_adjoint_in_the_stationary_metric():
    data = [cycle(2000), cycle(1500, 1)]
    k, c00 = koopman(data, 3, reverse=True)
    np.testing.assert_allclose(c00 @ k, (c00 @ k).T, atol=1e-12)
    values = np.linalg.eigvals(k)
    assert np.abs(values.imag).max() < 1e-12
    assert np.abs(values).max() <= 1
    assert 1 + np.square(values.real).sum() == pytest.approx(rewhitened_score(data, 3, reverse=True), abs=1e-9)
    one_way, c00 = koopman(data, 3)
    assert np.abs(c00 @ one_way - (c00 @ one_way).T).max() > 0.01
    assert np.abs(np.linalg.eigvals(one_way).imag).max() > 0.01


def test_the_reversible_koopman_matrix_of_an_exact_reversible_chain():
    """All pairs with their exact weights: both estimators give the relaxations of the chain, 0.98 four times."""
    x, y = chain_pairs()
    assert float(vamp_score(*reversible(x, y))) == pytest.approx(float(vamp_score(x, y)), abs=1e-9)
    c00, c0t, ctt = covariances(*reversible(x, y))
    torch.testing.assert_close(c00, ctt, rtol=0, atol=1e-12)
    torch.testing.assert_close(c0t, c0t.T, rtol=0, atol=1e-12)
    relaxations = torch.linalg.eigvals(torch.linalg.pinv(c00, rtol=1e-10) @ c0t).real.sort().values
    torch.testing.assert_close(relaxations, torch.tensor([0, *[0.98] * 4], dtype=torch.float64), rtol=0, atol=1e-9)


def test_reversible_estimate_of_autoregressive_noise():
    k, _ = koopman([autoregressive(200_000)], 2, reverse=True)
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(k).real), np.sort(RHO**2), atol=0.015)


def test_softmax_outputs_stay_below_their_bound():
    x, y = correlated(2000)
    x, y = torch.softmax(5 * x, 1), torch.softmax(5 * y, 1)
    assert 1 <= float(vamp_score(x, y)) <= bound(3, softmax=True) == 3
    assert bound(3) == 4


@pytest.mark.parametrize("score", [0.9, 4.1, float("nan")])
def test_a_score_out_of_bounds_is_an_error(score):
    with pytest.raises(ArithmeticError, match="the estimator has failed"):
        check_bounds(score, 4)


@pytest.mark.parametrize("mode", ["truncate", "regularize"])
def test_gradient(mode):
    x, y = correlated(12)
    x, y = x.requires_grad_(), y.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: vamp_score(a, b, epsilon=1e-9, mode=mode), (x, y))


def test_loss_gradient_is_finite_where_eigenvalues_coincide():
    x = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]], dtype=torch.float64, requires_grad=True)
    vamp_score(x, x.roll(1, 0), epsilon=1e-6, mode="regularize").backward()
    assert torch.isfinite(x.grad).all()


def test_whitening_whitens():
    c00, _, _ = covariances(*correlated(300))
    w = whitening(c00, 1e-10)
    torch.testing.assert_close(w.T @ c00 @ w, torch.eye(3, dtype=torch.float64))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rewhitened_score([np.zeros((5, 2)), np.zeros((20, 2))], 5), r"lag is 5 frames, .* have \[5, 20\]"),
        (lambda: rewhitened_score([np.zeros((5, 2))], 0), "lag is 0 frames, expected at least 1"),
        (lambda: rewhitened_score([np.full((5, 2), np.nan)], 1), "10 of 10 outputs are NaN"),
        (lambda: rewhitened_score([np.zeros((5, 2)), np.zeros((5, 3))], 1), "expected .frame, k. with one k"),
        (lambda: covariances(torch.zeros(5, 2), torch.zeros(4, 2)), "expected the same"),
        (lambda: vamp_score(*correlated(10), "VAMP3"), "unknown VAMP score 'VAMP3'"),
        (lambda: whitening(torch.eye(2), 0.1, "clamp"), "unknown whitening mode 'clamp'"),
    ],
)
def test_wrong_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()

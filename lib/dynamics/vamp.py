"""VAMP scores of time series, in float64: means removed, +1 for the constant mode, cutoffs relative.

Wu & Noé, arXiv 1707.04659: K = C00^(-1/2) C0t Ctt^(-1/2), VAMP-r = sum of sigma_i^r (eq. 33), VAMP-E (eq. 30). With
the means removed the constant singular function (sigma = 1) is gone from K; 1 is added for it, as deeptime does.
Scores are invariant under affine maps of the outputs in theory; an absolute epsilon breaks that, a relative one
does not.
"""

import numpy as np
import torch


TRUNCATE = 1e-10  # scoring drops directions with less variance than this part of the largest
ROUNDING = 1e-6  # by which a score may leave its bounds


def lagged_pairs(lengths: list[int], lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n,) of the frames t and t + lag of all trajectories, concatenated; no pair crosses a boundary.

    lag in frames. Raises ValueError when it is not positive or not shorter than each trajectory.
    """
    if lag < 1:
        raise ValueError(f"lag is {lag} frames, expected at least 1")
    if not lengths or min(lengths) <= lag:
        raise ValueError(f"lag is {lag} frames, expected less than each trajectory: they have {list(lengths)} frames")
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    first = np.concatenate([start + np.arange(length - lag) for start, length in zip(starts, lengths)])
    return first, first + lag


def paired(outputs: list[np.ndarray], lag: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs (frame, k) of several trajectories as float64 x_t and x_{t + lag}, both (pair, k).

    Raises ValueError for outputs that are not finite or differ in k.
    """
    widths = {o.shape[1:] for o in outputs}
    if len(widths) != 1 or len(next(iter(widths))) != 1:
        raise ValueError(f"outputs have the shapes {[o.shape for o in outputs]}, expected (frame, k) with one k")
    joined = np.concatenate(outputs).astype(np.float64)
    if not np.isfinite(joined).all():
        raise ValueError(f"{(~np.isfinite(joined)).sum()} of {joined.size} outputs are NaN or infinite")
    first, second = lagged_pairs([len(o) for o in outputs], lag)
    return torch.from_numpy(joined[first]), torch.from_numpy(joined[second])


def covariances(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """C00, C0t and Ctt, each (k, k) float64, of pairs x, y (pair, k), with separate means removed."""
    if x.shape != y.shape or x.ndim != 2 or len(x) < 2:
        raise ValueError(f"x is {tuple(x.shape)} and y {tuple(y.shape)}, expected the same (pair >= 2, k)")
    # Taking off one frame first leaves a constant output at exactly zero, not at rounding noise.
    x, y = x.double() - x[:1].double(), y.double() - y[:1].double()
    x, y = x - x.mean(0), y - y.mean(0)
    n = len(x) - 1
    return x.T @ x / n, x.T @ y / n, y.T @ y / n


def whitening(c: torch.Tensor, epsilon: float, mode: str = "truncate") -> torch.Tensor:
    """W (k, r) with W' C W = 1, epsilon relative to the largest eigenvalue of C.

    "truncate" drops the eigenvectors below the cutoff: exact on what is left, right for scoring. "regularize" adds
    to the diagonal before a Cholesky factorisation, whose gradient stays finite where eigenvalues coincide: right
    for a loss.
    """
    if len(c) == 0:  # nothing but constants was learned
        return c
    if mode == "truncate":
        value, vector = torch.linalg.eigh(c)
        kept = value > epsilon * value[-1].clamp_min(0)
        return vector[:, kept] / value[kept].sqrt()
    if mode == "regularize":
        eye = torch.eye(len(c), dtype=c.dtype, device=c.device)
        largest = torch.linalg.eigvalsh(c.detach())[-1]
        return torch.linalg.solve_triangular(torch.linalg.cholesky(c + epsilon * largest * eye), eye, upper=False).T
    raise ValueError(f"unknown whitening mode {mode!r}, expected 'truncate' or 'regularize'")


def vamp_score(
    x: torch.Tensor, y: torch.Tensor, method: str = "VAMP2", epsilon: float = TRUNCATE, mode: str = "truncate"
) -> torch.Tensor:
    """VAMP-1, VAMP-2 or VAMP-E of pairs x, y (pair, k): a differentiable float64 scalar, 1 for the constant included.

    Raises ValueError for an unknown method, ArithmeticError for a score out of bounds.
    """
    c00, c0t, ctt = covariances(x, y)
    w0, wt = whitening(c00, epsilon, mode), whitening(ctt, epsilon, mode)
    koopman = w0.T @ c0t @ wt
    if method == "VAMPE":
        u, s, v = torch.linalg.svd(koopman, full_matrices=False)
        u, v, s = w0 @ u, wt @ v.T, torch.diag(s)
        return 1 + torch.trace(2 * s @ u.T @ c0t @ v - s @ u.T @ c00 @ u @ s @ v.T @ ctt @ v)
    return 1 + power(koopman, method)


def power(koopman: torch.Tensor, method: str) -> torch.Tensor:
    """Sum of the singular values (VAMP-1) or of their squares (VAMP-2) of K (r0, rt), within its bounds."""
    if method not in ("VAMP1", "VAMP2"):
        raise ValueError(f"unknown VAMP score {method!r}, expected 'VAMP1', 'VAMP2' or 'VAMPE'")
    total = koopman.square().sum() if method == "VAMP2" else torch.linalg.svdvals(koopman).sum()
    check_bounds(1 + float(total.detach()), min(koopman.shape) + 1)
    return total


def bound(outputs: int, softmax: bool = False) -> int:
    """The largest VAMP score of k outputs: k + 1 for linear ones, k for softmax states, which sum to one."""
    return outputs if softmax else outputs + 1


def check_bounds(score: float, upper: float) -> float:
    """The score itself; ArithmeticError unless 1 <= score <= upper, because then the estimator has failed."""
    if not 1 - ROUNDING <= score <= upper + ROUNDING:
        raise ArithmeticError(f"VAMP score {score:.6f}, expected 1 to {upper}: the estimator has failed")
    return score


def reversible(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs x, y (pair, k) and the same pairs backwards in time: what is estimated from them obeys detailed balance.

    Means and C00 = Ctt are then shared and C0t is symmetric. Right for equilibrium data only: for short trajectories
    from another start the score is biased (Wu et al. 2017, doi 10.1063/1.4979344).
    """
    return torch.cat([x, y]), torch.cat([y, x])


def koopman(outputs: list[np.ndarray], lag: int, reverse: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Koopman matrix K = C00^-1 C0t and stationary metric C00, both (k, k), of outputs (frame, k) without their means.

    lag in frames. With `reverse` pairs count in both directions: C00 K is symmetric, that is, K is self-adjoint, and
    its eigenvalues are real and within [-1, 1].
    """
    x, y = paired(outputs, lag)
    c00, c0t, _ = covariances(*(reversible(x, y) if reverse else (x, y)))
    w = whitening(c00, TRUNCATE)
    return (w @ w.T @ c0t).numpy(), c00.numpy()


def rewhitened_score(outputs: list[np.ndarray], lag: int, method: str = "VAMP2", reverse: bool = False) -> float:
    """The score of the functions on new data, whitened anew by these data: one estimate on all pairs.

    outputs: list of (frame, k), one per trajectory; lag in frames; reverse: as in `koopman`.
    """
    x, y = paired(outputs, lag)
    return float(vamp_score(*(reversible(x, y) if reverse else (x, y)), method))


def cross_validated_score(
    train: list[np.ndarray], test: list[np.ndarray], lag: int, epsilon: float = TRUNCATE
) -> float:
    """VAMP-2 of the singular functions of the training data under the covariances of the test data.

    Lists of (frame, k); lag in frames. Equals deeptime's model.score(r=2, test_model): the "VAMP-2 CV" of the
    Markov-model literature (McGibbon & Pande; Wu & Noé eq. 33).
    """
    c00, c0t, ctt = covariances(*paired(train, lag))
    w0, wt = whitening(c00, epsilon), whitening(ctt, epsilon)
    left, _, right = torch.linalg.svd(w0.T @ c0t @ wt, full_matrices=False)
    u, v = w0 @ left, wt @ right.T
    c00, c0t, ctt = covariances(*paired(test, lag))
    a, c = whitening(u.T @ c00 @ u, epsilon), whitening(v.T @ ctt @ v, epsilon)
    return 1 + float(power(a.T @ (u.T @ c0t @ v) @ c, "VAMP2"))


def batch_mean_score(
    outputs: list[np.ndarray], lag: int, batch: int = 1000, generator: torch.Generator | None = None
) -> float:
    """The geom2vec authors' estimator: the mean of VAMP-2 over mini-batches. It is biased, and only for comparison.

    Without a generator batches are contiguous stretches, as in the scripts of the paper's time; with one they are
    shuffled, as since December 2025. Independent outputs score 1 + k^2 / (batch - 1). An incomplete last batch is
    left out; fewer pairs than one batch are scored as one.
    """
    x, y = paired(outputs, lag)
    order = torch.arange(len(x)) if generator is None else torch.randperm(len(x), generator=generator)
    size = min(batch, len(x))
    batches = [order[i : i + size] for i in range(0, len(x) - size + 1, size)]
    return float(torch.stack([vamp_score(x[i], y[i]) for i in batches]).mean())

"""Do two sets of features of the same frames vary together? Linear CKA and CCA, with shifted series as control."""

import numpy as np
from scipy.linalg import eigh
from sklearn.covariance import ledoit_wolf_shrinkage


KEPT = 0.99  # of the variance, for SVCCA


def hsic(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased linear HSIC of x (n, d) and y (n, k): its expectation is 0 for independent samples.

    Song et al., JMLR 2012, equation 4, with K = X X', L = Y Y' and O(n d k) work. Raises ValueError for n < 4 or
    unpaired samples.
    """
    n = len(x)
    if n < 4 or n != len(y):
        raise ValueError(f"{len(x)} and {len(y)} samples, expected at least 4 of each and as many of one as the other")
    x, y = (a - a.mean(0, dtype=np.float64) for a in (x, y))  # changes nothing but rounding
    kk, ll = np.square(x).sum(1), np.square(y).sum(1)  # the diagonals, to be left out
    # with the means gone the rows of K and L sum to zero, and those without the diagonal to minus the diagonal
    product = np.square(x.T @ y).sum() - kk @ ll
    return float((product + kk.sum() * ll.sum() / ((n - 1) * (n - 2)) - 2 * (kk @ ll) / (n - 2)) / (n * (n - 3)))


def cka(x: np.ndarray, y: np.ndarray, own: float | None = None) -> float:
    """Debiased linear CKA of x (n, d) and y (n, k): 1 for rotated and scaled copies, about 0 for independent samples.

    Kornblith et al., ICML 2019, with the unbiased HSIC of Song et al.; may be slightly negative. 0 where one of the two
    does not vary. own: hsic(x, x), where it is known.
    """
    if not (varies(x) and varies(y)):
        return 0.0
    norm = (hsic(x, x) if own is None else own) * hsic(y, y)
    return hsic(x, y) / float(np.sqrt(norm)) if norm > 0 else 0.0


def varies(x: np.ndarray) -> bool:
    """Whether x (n, d) differs between samples by more than rounding."""
    return bool(np.ptp(x, axis=0).max() > 1e-5 * np.abs(x).max())


def truncated(x: np.ndarray, kept: float = KEPT) -> np.ndarray:
    """Axes (d, r) that hold this part of the variance of x (n, d): the first step of SVCCA (Raghu et al. 2017)."""
    value, vector = eigh(np.cov(x.T.astype(np.float64)).reshape(x.shape[1], -1))
    value, vector = value[::-1], vector[:, ::-1]
    needed = int(np.searchsorted(np.cumsum(value), kept * value.sum() * (1 - 1e-12))) + 1
    return vector[:, :needed]


def whitener(x: np.ndarray, shrinkage: float | None) -> np.ndarray:
    """Matrix (d, d) that whitens x (n, d) under a covariance drawn towards a multiple of the identity.

    shrinkage: 0 for none, 1 for all; None takes that of Ledoit & Wolf (2004).
    """
    amount = ledoit_wolf_shrinkage(x) if shrinkage is None else shrinkage
    c = np.cov(x.T).reshape(x.shape[1], -1)
    c = (1 - amount) * c + amount * np.trace(c) / len(c) * np.eye(len(c))
    value, vector = eigh(c)
    value = np.maximum(value, 1e-12 * value[-1])
    return vector / np.sqrt(value) @ vector.T


class Side:
    """One of the two sets of features x (n, d), cut to the axes with 99 % of its variance and whitened."""

    def __init__(self, x: np.ndarray, shrinkage: float | None = None, kept: float = KEPT):
        axes = truncated(x, kept)
        self.mean = x.mean(0, dtype=np.float64)
        self.turn = axes @ whitener((x - self.mean) @ axes, shrinkage)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(m, r) whitened features of x (m, d)."""
        return (x - self.mean) @ self.turn


class Cca:
    """Canonical correlation of two sides, from x (n, d) and y (n, k): the pairs of directions that correlate most.

    `correlations` gives them on any data; on the data of the fit they are too high where n is not much larger than the
    number of directions.
    """

    def __init__(self, first: Side, second: Side, x: np.ndarray, y: np.ndarray):
        if len(x) != len(y):
            raise ValueError(f"{len(x)} samples of x and {len(y)} of y, expected pairs")
        left, _, right = np.linalg.svd(first(x).T @ second(y), full_matrices=False)
        self.sides, self.left, self.right = (first, second), left, right.T

    def correlations(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(r,) Pearson correlations of the canonical pairs on x (m, d) and y (m, k); 0 for what does not vary."""
        u, v = self.sides[0](x) @ self.left, self.sides[1](y) @ self.right
        u, v = u - u.mean(0), v - v.mean(0)
        norm = np.linalg.norm(u, axis=0) * np.linalg.norm(v, axis=0)
        return (u * v).sum(0) / np.where(norm > 0, norm, np.inf)


def held_out_cca(features: list[np.ndarray], targets: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    """For every kind of target (trajectory,) mean canonical correlation there, of directions found on all the others.

    Lists of (frame, d) and (frame, k); 0 where one of the two does not vary.
    """
    found = {name: np.zeros(len(features)) for name in targets}
    if not all(map(varies, features)):
        return found
    for test in range(len(features)):
        others = lambda each, test=test: np.concatenate([a for i, a in enumerate(each) if i != test])  # noqa: E731
        x = others(features)
        side = Side(x)
        for name, each in targets.items():
            if all(map(varies, each)):
                y = others(each)
                found[name][test] = Cca(side, Side(y), x, y).correlations(features[test], each[test]).mean()
    return found


def shifted(series: list[np.ndarray], generator: np.random.Generator) -> list[np.ndarray]:
    """Each series turned by a random 20 to 80 % of its length: nothing aligned is left, its own memory is.

    A plain permutation would destroy the autocorrelation too, and with it the spread that chance has here.
    """
    return [np.roll(s, int(generator.integers(len(s) // 5, max(len(s) // 5 + 1, 4 * len(s) // 5))), 0) for s in series]

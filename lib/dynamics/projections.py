"""Two coordinates out of many: by variance (PCA), by slowness (VAMP), by neighbourhood (t-SNE)."""

from collections.abc import Callable

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from lib.dynamics.vamp import TRUNCATE, covariances, paired, whitening
from lib.measure.probes import Scale


COMPONENTS = 20  # that linear VAMP and t-SNE start from; more of them would fit noise


def pca(features: list[np.ndarray], k: int = 2) -> Callable[[np.ndarray], np.ndarray]:
    """The k directions of largest variance of standardised features, fitted on lists of (frame, d)."""
    scale = Scale(features)
    model = PCA(min(k, int(scale.kept.sum())), svd_solver="covariance_eigh").fit(scale(np.concatenate(features)))
    return lambda x: model.transform(scale(x))


def vamp(features: list[np.ndarray], lag: int, k: int = 2) -> Callable[[np.ndarray], np.ndarray]:
    """The k slowest singular functions of linear VAMP at `lag` frames, on the first 20 principal components."""
    down = pca(features, COMPONENTS)
    outputs = [down(f) for f in features]
    c00, c0t, ctt = covariances(*paired(outputs, lag))
    w0, wt = whitening(c00, TRUNCATE), whitening(ctt, TRUNCATE)
    left = np.linalg.svd((w0.T @ c0t @ wt).numpy())[0]
    turn, mean = w0.numpy() @ left[:, :k], np.concatenate(outputs).mean(0)
    return lambda x: (down(x) - mean) @ turn


def tsne(features: list[np.ndarray], seed: int = 0) -> np.ndarray:
    """(frame, 2) t-SNE of all frames, from 20 principal components; only to look at, it has no place for new frames."""
    start = pca(features, COMPONENTS)(np.concatenate(features))
    neighbours = min(30.0, (len(start) - 1) / 3)
    return TSNE(2, perplexity=neighbours, init="pca", random_state=seed, n_jobs=1).fit_transform(start)

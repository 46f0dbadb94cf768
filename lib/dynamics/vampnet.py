"""VAMPnets: a small network whose outputs maximise VAMP-2 (Mardt et al. 2018), with linear outputs.

Training runs on float32 features; covariances, whitening and score are float64. A fit depends on its seed and its
data only: one explicit generator, one torch thread.
"""

import copy
import itertools
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from lib.dynamics.vamp import bound, lagged_pairs, rewhitened_score, vamp_score
from lib.threads import single_thread


COLLAPSED = 1.01  # a run whose inner validation score is below this has learned the constant only
CONSTANT = 1e-6  # a feature with less spread than this part of the largest spread is treated as constant


@dataclass(frozen=True)
class Settings:
    """How a VAMPnet is trained."""

    outputs: int = 3  # linear: the score is at most outputs + 1
    hidden: tuple[int, ...] = (64, 64)
    epochs: int = 20
    batch: int = 1000  # pairs: the bias of the loss is about outputs^2 / batch
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    patience: int = 5  # epochs without a better inner validation score
    epsilon: float = 1e-6  # of the regularised loss, relative to the largest eigenvalue


class Lobe(nn.Module):
    """Features (frame, d) -> standardised by the training data -> MLP -> (frame, outputs), float32."""

    def __init__(self, mean: np.ndarray, spread: np.ndarray, settings: Settings, generator: torch.Generator):
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("spread", torch.as_tensor(spread, dtype=torch.float32))
        widths = (len(mean), *settings.hidden, settings.outputs)
        layers = []
        for fan_in, fan_out in itertools.pairwise(widths):
            layer = nn.utils.skip_init(nn.Linear, fan_in, fan_out)
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)
            layers += [layer, nn.SiLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if features.shape[-1] != len(self.mean):
            raise ValueError(f"features have {features.shape[-1]} columns, the lobe was made for {len(self.mean)}")
        return self.layers((features - self.mean) / self.spread)


@dataclass
class Fit:
    """A trained lobe, with the weights of its best epoch.

    history: (epoch, 2) VAMP-2 of the batches while training, and on the inner validation part. failed: "" or why
    the run is no result.
    """

    lobe: Lobe
    history: np.ndarray
    best_epoch: int
    failed: str = ""
    settings: Settings = field(default_factory=Settings)

    @property
    def score(self) -> float:
        """The best inner validation VAMP-2; NaN when the first epoch failed."""
        return float(self.history[self.best_epoch, 1]) if len(self.history) else float("nan")


def inner_split(trajectories: list[np.ndarray], fraction: float, gap: int) -> tuple[list, list]:
    """The first part of each trajectory for training and its last `fraction` for validation, `gap` frames apart.

    Raises ValueError when a trajectory is too short to hold both parts and the gap.
    """
    train, inner = [], []
    for trajectory in trajectories:
        start = len(trajectory) - round(fraction * len(trajectory))
        if start - gap < 1 or start >= len(trajectory):
            raise ValueError(f"{len(trajectory)} frames cannot hold a gap of {gap} and a validation part of {fraction}")
        train.append(trajectory[: start - gap])
        inner.append(trajectory[start:])
    return train, inner


def check_features(trajectories: list[np.ndarray], name: str) -> None:
    """Raise ValueError unless the features are finite (frame, d) arrays with one d."""
    shapes = [np.shape(t) for t in trajectories]
    if not shapes or any(len(s) != 2 for s in shapes) or len({s[1] for s in shapes}) != 1:
        raise ValueError(f"{name} features have the shapes {shapes}, expected (frame, d) with one d")
    for i, trajectory in enumerate(trajectories):
        if not np.isfinite(trajectory).all():
            raise ValueError(f"{name} features of trajectory {i} hold NaN or infinity, expected finite numbers")


def fit(
    train: list[np.ndarray],
    inner: list[np.ndarray],
    lag: int,
    seed: int,
    settings: Settings = Settings(),
    verbose: bool = False,
) -> Fit:
    """Train a lobe on `train`, stop early by VAMP-2 on `inner`, and restore the best weights.

    train, inner: lists of (frame, d) float32, one per trajectory; lag in frames. Batches are shuffled pairs; no pair
    crosses a trajectory. Raises ValueError for features that are not finite, differ in d, or are shorter than the
    lag. A run that diverges or learns nothing is returned with `failed` set.
    """
    check_features(train, "training")
    check_features(inner, "validation")
    if train[0].shape[1] != inner[0].shape[1]:
        raise ValueError(f"training features have d = {train[0].shape[1]}, validation features {inner[0].shape[1]}")
    lagged_pairs([len(t) for t in inner], lag)
    with single_thread():
        return optimise(train, inner, lag, torch.Generator().manual_seed(seed), settings, verbose)


def optimise(train, inner, lag: int, generator: torch.Generator, settings: Settings, verbose: bool) -> Fit:
    """The training loop of `fit`, on checked input."""
    first, _ = lagged_pairs([len(t) for t in train], lag)
    frames = torch.from_numpy(np.concatenate(train).astype(np.float32, copy=False))
    first = torch.from_numpy(first)
    spread = frames.std(0)
    spread[spread < CONSTANT * spread.max()] = 1.0
    lobe = Lobe(frames.mean(0).numpy(), spread.numpy(), settings, generator)
    optimiser = torch.optim.AdamW(lobe.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    best, best_epoch, history, failed = copy.deepcopy(lobe.state_dict()), 0, [], ""
    for epoch in range(settings.epochs):
        try:
            history.append((train_epoch(lobe, optimiser, frames, first, lag, generator, settings),
                            rewhitened_score(transform(lobe, inner), lag)))  # fmt: skip
        except (torch.linalg.LinAlgError, ArithmeticError, ValueError) as error:
            failed = f"epoch {epoch}: {error}"
            break
        if verbose:
            print(f"epoch {epoch:3d}   VAMP-2 training {history[-1][0]:.4f}   validation {history[-1][1]:.4f}")
        if history[-1][1] > history[best_epoch][1] or epoch == 0:
            # A deep copy: state_dict() alone holds live references, and "best" would become "last".
            best, best_epoch = copy.deepcopy(lobe.state_dict()), epoch
        if epoch - best_epoch >= settings.patience:
            break
    lobe.load_state_dict(best)
    history = np.array(history, dtype=float).reshape(-1, 2)
    if not failed and history[best_epoch, 1] < COLLAPSED:
        failed = f"VAMP-2 is {history[best_epoch, 1]:.4f} on the inner validation part: only the constant was learned"
    return Fit(lobe.eval(), history, best_epoch, failed, settings)


def train_epoch(lobe, optimiser, frames, first, lag: int, generator: torch.Generator, settings: Settings) -> float:
    """One pass over the shuffled pairs; the mean regularised VAMP-2 of the batches. An incomplete batch is left out."""
    order = first[torch.randperm(len(first), generator=generator)]
    size = min(settings.batch, len(order))
    scores = []
    for start in range(0, len(order) - size + 1, size):
        rows = order[start : start + size]
        x, y = lobe(frames[torch.cat([rows, rows + lag])]).chunk(2)
        score = vamp_score(x, y, "VAMP2", settings.epsilon, "regularize")
        optimiser.zero_grad(set_to_none=True)
        (-score).backward()
        optimiser.step()
        scores.append(score.item())
    return float(np.mean(scores))


def transform(lobe: Lobe, trajectories: list[np.ndarray], chunk: int = 16384) -> list[np.ndarray]:
    """Outputs (frame, k) float64 of each trajectory of features (frame, d)."""
    with torch.no_grad():
        return [
            torch.cat([lobe(torch.tensor(t[i : i + chunk], dtype=torch.float32)) for i in range(0, len(t), chunk)])
            .double()
            .numpy()
            for t in trajectories
        ]


def score_bound(settings: Settings) -> int:
    """The largest VAMP-2 that these settings can reach."""
    return bound(settings.outputs)

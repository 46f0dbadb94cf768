"""VAMPnets: a small network whose outputs maximise VAMP-2 (Mardt et al. 2018), with linear outputs.

Training runs on float32 features; covariances, whitening and score are float64. A fit depends on its seed and its
data only: explicit generators, one torch thread.
"""

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from lib.dynamics.buffers import Buffers, chunks, part
from lib.dynamics.linear import WIDE, linear
from lib.dynamics.vamp import bound, lagged_pairs, reversible, rewhitened_score, vamp_score
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
    chain: int = 1  # pairs in a row, t, t + lag, ..., that share frames: 1 + 1 / chain evaluations a pair, not 2
    reversible: bool = False  # each pair also backwards in time: right where detailed balance holds
    buffer: int | None = None  # frames in memory at a time; None for all of them
    device: str = "cpu"  # where the network is trained


def mlp(widths: tuple[int, ...], generator: torch.Generator) -> nn.Sequential:
    """Linear layers of these widths with SiLU between them; weights drawn from the generator."""
    layers = []
    for fan_in, fan_out in itertools.pairwise(widths):
        layer = nn.utils.skip_init(nn.Linear, fan_in, fan_out)
        nn.init.xavier_uniform_(layer.weight, generator=generator)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.SiLU()]
    return nn.Sequential(*layers[:-1])


class Lobe(nn.Module):
    """Features (frame, d) -> standardised by the training data -> MLP -> (frame, outputs), float32."""

    def __init__(self, mean: np.ndarray, spread: np.ndarray, settings: Settings, generator: torch.Generator):
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("spread", torch.as_tensor(spread, dtype=torch.float32))
        self.layers = mlp((len(mean), *settings.hidden, settings.outputs), generator)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if features.shape[-1] != len(self.mean):
            raise ValueError(f"features have {features.shape[-1]} columns, the lobe was made for {len(self.mean)}")
        if len(self.mean) < WIDE:
            return self.layers((features - self.mean) / self.spread)
        # Standardising is folded into the first layer: no copy of a wide input is made.
        weight = self.layers[0].weight / self.spread
        return self.layers[1:](linear(features, weight, self.layers[0].bias - weight @ self.mean))


Network = Callable[[np.ndarray, np.ndarray, Settings, torch.Generator], nn.Module]  # of mean, spread, settings, seed


@dataclass
class Fit:
    """A trained lobe, with the weights of its best epoch.

    history: (epoch, 2) VAMP-2 of the batches while training, and on the inner validation part. failed: "" or why
    the run is no result.
    """

    lobe: nn.Module
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
        train.append(part(trajectory, 0, start - gap))
        inner.append(part(trajectory, start, len(trajectory)))
    return train, inner


def check_features(trajectories: list[np.ndarray], name: str) -> None:
    """Raise ValueError unless the features are finite (frame, ...) arrays with one shape per frame."""
    shapes = [np.shape(t) for t in trajectories]
    if not shapes or any(len(s) < 2 for s in shapes) or len({s[1:] for s in shapes}) != 1:
        raise ValueError(f"{name} features have the shapes {shapes}, expected (frame, d) with one d")
    for i, trajectory in enumerate(trajectories):
        if not all(np.isfinite(chunk).all() for chunk in chunks(trajectory)):
            raise ValueError(f"{name} features of trajectory {i} hold NaN or infinity, expected finite numbers")


def fit(
    train: list[np.ndarray],
    inner: list[np.ndarray],
    lag: int,
    seed: int,
    settings: Settings = Settings(),
    verbose: bool = False,
    network: Network = Lobe,
) -> Fit:
    """Train a lobe on `train`, stop early by VAMP-2 on `inner`, and restore the best weights.

    train, inner: lists of (frame, ...) float32 trajectories, see `buffers`; lag in frames. network: makes the lobe,
    (frame, ...) -> (frame, outputs), from mean and spread of the features, settings and a generator. Batches are
    shuffled pairs; no pair crosses a trajectory. Raises ValueError for features that are not finite, differ in d, or
    are shorter than the lag. A run that diverges or learns nothing is returned with `failed` set.
    """
    check_features(train, "training")
    check_features(inner, "validation")
    if (of_train := train[0].shape[1:]) != (of_inner := inner[0].shape[1:]):
        d = ["x".join(map(str, shape)) for shape in (of_train, of_inner)]
        raise ValueError(f"training features have d = {d[0]}, validation features {d[1]}")
    lagged_pairs([len(t) for t in inner], lag)
    chain_starts([len(t) for t in train], lag, settings.chain)
    with single_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of dropout, which takes no generator
        return optimise(train, inner, lag, torch.Generator().manual_seed(seed), settings, verbose, network)


def optimise(train, inner, lag: int, generator, settings: Settings, verbose: bool, network: Network) -> Fit:
    """The training loop of `fit`, on checked input."""
    buffers = Buffers(train, settings.buffer, lag * settings.chain, settings.device)
    mean, spread = buffers.moments()
    spread[spread < CONSTANT * spread.max()] = 1.0
    lobe = network(mean.numpy(), spread.numpy(), settings, generator).to(settings.device)
    optimiser = torch.optim.AdamW(lobe.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    best, best_epoch, history, failed = copy.deepcopy(lobe.state_dict()), 0, [], ""
    for epoch in range(settings.epochs):
        try:
            history.append((train_epoch(lobe, optimiser, buffers, lag, generator, settings),
                            rewhitened_score(transform(lobe, inner), lag, "VAMP2", settings.reversible)))  # fmt: skip
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
    return Fit(lobe.cpu().eval(), history, best_epoch, failed, settings)


def chain_starts(lengths: list[int], lag: int, chain: int, shift: int = 0) -> np.ndarray:
    """Rows (n,) of the first frames of chains t, t + lag, ..., t + chain lag, of trajectories that are concatenated.

    Each pair (t, t + lag) lies in one chain at the most; with chain = 1 each is one. shift: frames left out at the
    start of trajectories, modulo what they can spare, so that epochs leave out different pairs.
    """
    lagged_pairs(lengths, lag)
    span, starts, offset = lag * chain, [], 0
    if chain < 1 or max(lengths) <= span:
        raise ValueError(f"chains of {chain} pairs at a lag of {lag} frames, expected 1 or more, within {lengths}")
    for length in lengths:
        skipped = shift % max(1, min(span, length - span))
        t = np.arange(length - span - skipped)
        starts.append(offset + skipped + t[t // lag % chain == 0])
        offset += length
    return np.concatenate(starts)


def train_epoch(lobe, optimiser, buffers: Buffers, lag: int, generator: torch.Generator, settings: Settings) -> float:
    """One pass over the shuffled pairs; the mean regularised VAMP-2 of the batches. An incomplete batch is left out."""
    lobe.train()
    scores, chain = [], settings.chain
    for frames, pieces in buffers.epoch(generator):
        shift = int(torch.randint(lag * chain, (), generator=generator)) if chain > 1 else 0
        first = torch.from_numpy(chain_starts([b - a for _, a, b in pieces], lag, chain, shift))
        order = first[torch.randperm(len(first), generator=generator)]
        size = min(max(settings.batch // chain, 1), len(order))
        for start in range(0, len(order) - size + 1, size):
            rows = order[start : start + size]
            rows = torch.cat([rows + step * lag for step in range(chain + 1)]).to(frames.device)
            x, y = ends(lobe(frames.index_select(0, rows)), chain)
            score = vamp_score(*(reversible(x, y) if settings.reversible else (x, y)), epsilon=settings.epsilon,
                               mode="regularize")  # fmt: skip
            optimiser.zero_grad(set_to_none=True)
            (-score).backward()
            optimiser.step()
            scores.append(score.item())
    return float(np.mean(scores))


def ends(outputs: torch.Tensor, chain: int) -> tuple[torch.Tensor, torch.Tensor]:
    """x_t and x_{t + lag} of all pairs, both (pair, k), from chain + 1 stacked blocks of outputs, a lag apart."""
    size = len(outputs) // (chain + 1)
    return outputs[: size * chain], outputs[size:]


def transform(lobe: nn.Module, trajectories: list[np.ndarray]) -> list[np.ndarray]:
    """Outputs (frame, k) float64 of each trajectory of features (frame, ...)."""
    lobe.eval()
    device = next(lobe.parameters()).device
    with torch.no_grad():
        return [
            torch.cat([lobe(torch.tensor(c).to(device)).cpu() for c in chunks(t)]).double().numpy()
            for t in trajectories
        ]


def score_bound(settings: Settings) -> int:
    """The largest VAMP-2 that these settings can reach."""
    return bound(settings.outputs)

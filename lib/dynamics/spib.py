"""SPIB, the state predictive information bottleneck (Wang & Tiwary 2021, doi 10.1063/5.0038198).

A lobe maps a frame x_t to a Gaussian in few dimensions, a decoder predicts from a draw z of it in which state the
system will be a lag later. The states are learned too: from a fine partition on, each frame is relabelled with the
state that is predicted from its mean, states that no frame is given vanish, and training goes on.

    loss = -log q(y_{t + lag} | z) + beta [log p(z | x_t) - log r(z)],  z ~ p(z | x_t) = N(mean(x_t), variance)

with the prior r(z) = sum_k w_k p(z | u_k) over one representative frame u_k of each state.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from lib.dynamics.vampnet import mlp, transform


VARIANCES = ("shared", "own")
LOWEST = -10.0  # logarithm of a frame's own variance, which lies between this and 0 (Wang & Tiwary's code)


@dataclass(frozen=True)
class Settings:
    """How SPIB is trained. `outputs` and `hidden` are those of the lobe, as for a VAMPnet.

    Raises ValueError for another word than VARIANCES.
    """

    outputs: int = 2  # dimensions of z
    hidden: tuple[int, ...] = (64, 64)
    decoder: tuple[int, ...] = (64,)  # hidden layers of the decoder
    variance: str = "shared"  # one learned number (package spib 1.1, P2), or each frame its "own" (Wang & Tiwary 2021)
    beta: float = 1e-2  # weight of the KL term
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    batch: int = 512  # frames
    epochs: int = 20  # at the most, between two refinements
    tolerance: float = 2e-3  # nats; training has converged when the loss falls by less ...
    calm: int = 2  # ... in so many epochs
    validation: float = 0.0  # last part of each trajectory, not trained on, whose loss then decides; 0 for none
    refinements: int = 15  # at the most; 0 trains on the labels that are given and keeps all of them
    changed: float = 0.01  # part of the frames; labels have settled when fewer change ...
    patience: int = 2  # ... in so many refinements
    buffer: int | None = None  # frames in memory at a time; None for all of them
    device: str = "cpu"  # where the network is trained

    def __post_init__(self):
        if self.variance not in VARIANCES:
            raise ValueError(f"variance is {self.variance!r}, expected one of {', '.join(VARIANCES)}")

    @property
    def of_lobe(self) -> "Settings":
        """The same for the lobe, which also gives the variances where each frame has its own."""
        return replace(self, outputs=2 * self.outputs) if self.variance == "own" else self


class Bottleneck(nn.Module):
    """Frames (frame, ...) -> Gaussian in z -> log-probabilities of states a lag later.

    lobe: (frame, ...) -> (frame, outputs), the mean of z, or (frame, 2 outputs) where each frame has its own variances.
    representatives: (state, ...) frames, as many as there are states, from which the lobe makes the prior.
    """

    def __init__(self, lobe: nn.Module, representatives: torch.Tensor, settings: Settings, generator: torch.Generator):
        super().__init__()
        self.lobe, self.outputs = lobe, settings.outputs
        self.decoder = mlp((settings.outputs, *settings.decoder, len(representatives)), generator)
        self.log_variance = nn.Parameter(torch.zeros(())) if settings.variance == "shared" else None
        self.prior_logits = nn.Parameter(torch.zeros(len(representatives)))
        self.register_buffer("representatives", representatives)

    @property
    def states(self) -> int:
        return len(self.representatives)

    def gaussian(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean (frame, outputs) of z and logarithm of its variance, () or (frame, outputs), of frames (frame, ...)."""
        found = self.lobe(frames)
        if self.log_variance is not None:
            return found, self.log_variance
        mean, spread = found.split(self.outputs, dim=-1)
        return mean, LOWEST * spread.sigmoid()

    def log_prior(self, z: torch.Tensor) -> torch.Tensor:
        """log r(z) (frame,) of z (frame, outputs)."""
        components = log_gaussian(z[:, None], *self.gaussian(self.representatives))
        return (self.prior_logits.log_softmax(0) + components).logsumexp(1)

    def terms(
        self, frames: torch.Tensor, later: torch.Tensor, noise: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cross-entropy and log p(z | x) - log r(z), both (frame,), nats, at z = mean + deviation x noise.

        frames: (frame, ...); later: (frame,) int64 states a lag later; noise: (frame, outputs) standard normal.
        """
        mean, log_variance = self.gaussian(frames)
        z = mean + (0.5 * log_variance).exp() * noise
        kl = log_gaussian(z, mean, log_variance) - self.log_prior(z)
        return F.cross_entropy(self.decoder(z), later, reduction="none"), kl

    def keep(self, states: torch.Tensor) -> None:
        """Drop all states but these, (n,) int64, from the decoder and the prior. An optimiser must be made anew."""
        old = self.decoder[-1]
        last = nn.utils.skip_init(nn.Linear, old.in_features, len(states), device=old.weight.device)
        with torch.no_grad():
            last.weight.copy_(old.weight[states])
            last.bias.copy_(old.bias[states])
        self.decoder[-1] = last
        self.prior_logits = nn.Parameter(self.prior_logits.detach()[states])
        self.representatives = self.representatives[states]

    def renew_prior(self, representatives: torch.Tensor) -> None:
        """Another representative frame of each state, (state, ...), with equal weights."""
        self.representatives = representatives.to(self.representatives.device)
        nn.init.zeros_(self.prior_logits)


def log_gaussian(z: torch.Tensor, mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """log N(z; mean, variance) over the last axis, without the 2 pi, which cancels in the loss."""
    return -0.5 * ((z - mean).square() / log_variance.exp() + log_variance).sum(-1)


def latent_means(model: Bottleneck, trajectories: list[np.ndarray]) -> list[np.ndarray]:
    """Mean of z (frame, outputs) float64 of each trajectory of features (frame, ...)."""
    return [found[:, : model.outputs] for found in transform(model.lobe, trajectories)]


@torch.no_grad()
def predicted_states(model: Bottleneck, means: list[np.ndarray]) -> list[np.ndarray]:
    """The most probable state a lag later, (frame,) int64, from each frame's mean of z (frame, outputs)."""
    device = model.prior_logits.device
    decoded = [model.decoder(torch.from_numpy(m).float().to(device)).argmax(1).cpu().numpy() for m in means]
    return [d.astype(np.int64) for d in decoded]


def representatives(trajectories: list, means: list[np.ndarray], labels: list[np.ndarray], states: int) -> torch.Tensor:
    """(state, ...) float32: of each state the frame whose mean of z lies nearest to the state's centre."""
    joined, labelled = np.concatenate(means), np.concatenate(labels)
    offsets = np.cumsum([0] + [len(m) for m in means])
    frames = []
    for state in range(states):
        rows = np.flatnonzero(labelled == state)
        nearest = rows[np.square(joined[rows] - joined[rows].mean(0)).sum(1).argmin()]
        i = int(np.searchsorted(offsets, nearest, side="right")) - 1
        frames.append(np.asarray(trajectories[i][nearest - offsets[i]], dtype=np.float32))
    return torch.from_numpy(np.stack(frames))


def renumbered(labels: list[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """Labels (frame,) counted from 0 without gaps, and which labels (state,) these were."""
    kept, joined = np.unique(np.concatenate(labels), return_inverse=True)
    return np.split(joined.astype(np.int64), np.cumsum([len(x) for x in labels])[:-1]), kept


@dataclass
class Fit:
    """A trained model and its states.

    labels: list of (frame,) int64 states, by the model. means: list of (frame, outputs) float64. history: (epoch, 5)
    refinement, loss, cross-entropy, KL, loss of the validation part or NaN; nats. counts: states after each refinement,
    the first of the labels given. changes: the part of the frames that each refinement relabelled. settled: whether
    they have become few. failed: "" or why the run is no result.
    """

    model: Bottleneck
    labels: list[np.ndarray]
    means: list[np.ndarray]
    history: np.ndarray
    counts: list[int]
    changes: list[float]
    settled: bool
    failed: str = ""
    settings: Settings = field(default_factory=Settings)

    @property
    def states(self) -> int:
        return self.model.states

    @property
    def populations(self) -> np.ndarray:
        """(state,) part of the frames in each state."""
        counts = np.bincount(np.concatenate(self.labels), minlength=self.states)
        return counts / counts.sum()

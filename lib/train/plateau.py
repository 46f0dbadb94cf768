"""The schedule of TorchMD-NET and ViSNet: a lower rate where validation stands still, and an end."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from lib.data.loader import Loader
from lib.train.loop import Schedule, fit, read_state


class EndOfTrainingError(Exception):
    """Validation has not improved for long enough."""


class Plateau:
    """Stands where the loop wants a `Schedule`: the rate rises linearly for `warmup` steps, and is multiplied by
    `factor` after more than `patience` epochs without a better validation loss (torch's ReduceLROnPlateau).

    epochs: at most. least: smallest rate. stop: epochs without a better one after which training ends.
    """

    def __init__(
        self,
        epochs: int,
        learning_rate: float,
        warmup: int = 0,
        clip: float | None = None,
        factor: float = 0.8,
        patience: int = 15,
        least: float = 1e-7,
        stop: int = 150,
    ):
        self.epochs, self.learning_rate, self.warmup, self.clip = epochs, learning_rate, warmup, clip
        self.by, self.patience, self.least, self.stop = factor, patience, least, stop
        self.restart([])

    def restart(self, seen: list[float]) -> None:
        """Forget everything but these validation losses."""
        self.seen = []
        self.optimiser = torch.optim.SGD([torch.zeros(1)], lr=self.learning_rate)  # only to hold the rate
        self.follower = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser, factor=self.by, patience=self.patience, min_lr=self.least
        )
        for value in seen:
            self.add(value)

    def add(self, value: float) -> float:
        """Take the validation loss of an epoch into account."""
        self.seen.append(value)
        self.follower.step(value)
        return value

    def factor(self, step: int, steps: int) -> float:
        """Share of the learning rate at `step`; raises EndOfTrainingError where no further step is to be made."""
        since = len(self.seen) - 1 - min(range(len(self.seen)), key=self.seen.__getitem__) if self.seen else 0
        if since >= self.stop:
            raise EndOfTrainingError
        if step < self.warmup:
            return (step + 1) / self.warmup
        return self.optimiser.param_groups[0]["lr"] / self.learning_rate


def train(
    model: nn.Module,
    loss: Callable,
    evaluate: Callable[[nn.Module], float],
    loader: Loader,
    schedule: Schedule | Plateau,
    seed: int,
    state: Path,
) -> list[dict]:
    """`lib.train.loop.fit` with either schedule: the model is left at its best epoch, a killed run goes on."""
    if not isinstance(schedule, Plateau):
        return fit(model, loss, evaluate, loader, schedule, seed, state)
    saved = read_state(state)
    schedule.restart([record["validation"] for record in saved["history"]] if saved else [])
    try:
        return fit(model, loss, lambda m: schedule.add(evaluate(m)), loader, schedule, seed, state)
    except EndOfTrainingError:
        saved = read_state(state)
        model.load_state_dict(saved["best_model"])
        model.eval()
        state.unlink()
        return saved["history"]

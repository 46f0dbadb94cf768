"""One training loop for every task: resumable, one line an epoch, the best weights really kept."""

import copy
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lib import distributed
from lib.data.loader import Batch, Loader
from lib.train.shares import SideBySide


LINE = "epoch {epoch:3d}  train {train:.4f}  validation {validation:.4f}"


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. The rate rises linearly for `warmup` steps, then falls to zero along a cosine."""

    epochs: int
    learning_rate: float
    warmup: int = 0
    decay: bool = True  # False keeps the rate constant, as in the authors' script
    clip: float | None = None  # largest gradient norm

    def factor(self, step: int, steps: int) -> float:
        """Share of the learning rate at `step` of `steps`."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if not self.decay:
            return 1.0
        return 0.5 + 0.5 * math.cos(math.pi * (step - self.warmup) / max(1, steps - self.warmup))


class Objective(nn.Module):
    """The loss as a module, which is what DistributedDataParallel averages the gradients of.

    precision "bfloat16" computes matrix products in it and keeps weights, sums and loss in float32.
    """

    def __init__(self, model: nn.Module, loss: Callable[[nn.Module, Batch, torch.Generator], Tensor], precision: str):
        super().__init__()
        self.model, self.loss, self.precision = model, loss, precision

    def forward(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Loss of this rank's share of a batch."""
        with torch.autocast(batch.pos.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            return self.loss(self.model, batch, generator)


def fit(
    model: nn.Module,
    loss: Callable[[nn.Module, Batch, torch.Generator], Tensor],
    evaluate: Callable[[nn.Module], float],
    loader: Loader,
    schedule: Schedule,
    seed: int,
    state: Path,
    precision: str = "float32",
    ema: float | None = None,
    save_minutes: float = 10.0,
    threads: int = 1,
) -> list[dict]:
    """Train `model` in place with AdamW (amsgrad, P2) and leave it at its best validation epoch.

    loss: scalar of one batch; draws its noise from the generator, which is the same on every rank. Several ranks share
    each batch; the loss must then be a mean over atoms. evaluate: validation loss, smaller is better, the same on every
    rank. precision: model and loader already have its `weight_type`. ema: decay per step of an exponential moving
    average of the weights, which is then what is evaluated and kept. state: file for the resume state, written by rank
    0 after each epoch and every `save_minutes`, and removed at the end. A resumed run goes on from the same batch and
    prints the lines of the epochs before it, and so leaves the same output as one that was never interrupted.
    Gives one record an epoch: {"epoch", "train", "validation"}. Raises FloatingPointError when the loss is not finite.
    """
    run = Run(model, schedule.learning_rate, torch.Generator(device=loader.device).manual_seed(seed), ema)
    if saved := distributed.from_first(lambda: read_state(state)):
        run.load_state_dict(saved)
    first = distributed.rank() == 0
    for record in run.history if first else ():
        print(LINE.format(**record), flush=True)
    objective = Objective(model, loss, precision)
    alone = threads > 1 and distributed.ranks() == 1
    backward = SideBySide(objective, threads) if alone else partial(backward_of, distributed.averaged(objective))
    steps, saved_at = schedule.epochs * len(loader), time.monotonic()
    for epoch in range(len(run.history) + 1, schedule.epochs + 1):
        model.train()
        for batch in loader.epoch(epoch, run.batches):
            rate = schedule.learning_rate * schedule.factor((epoch - 1) * len(loader) + run.batches, steps)
            run.step(backward, batch, rate, schedule.clip)
            if first and time.monotonic() - saved_at > 60 * save_minutes:
                save_state(state, run)
                saved_at = time.monotonic()
        record = {"epoch": epoch, "train": run.total / len(loader), "validation": evaluate(run.evaluated.eval())}
        if not math.isfinite(record["train"] + record["validation"]):
            raise FloatingPointError(f"the loss of epoch {epoch} is {record}; lower the learning rate")
        run.close_epoch(record)
        if first:
            print(LINE.format(**record), flush=True)
            save_state(state, run)
            saved_at = time.monotonic()
    model.load_state_dict(run.best_model)
    model.eval()
    if first:
        state.unlink()
    return run.history


def backward_of(objective: nn.Module, batch: Batch, generator: torch.Generator) -> Tensor:
    """Add the gradients of a batch to those of the weights and give its loss ()."""
    value = objective(batch, generator)
    (value * (batch.part * distributed.ranks())).backward()  # gradients are averaged over the ranks
    return value.detach()


class Run:
    """What a training run has reached: all that a resumed one needs."""

    def __init__(self, model: nn.Module, learning_rate: float, generator: torch.Generator, ema: float | None):
        self.model, self.generator = model, generator
        self.optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, amsgrad=True)
        self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(ema)) if ema else None
        self.history, self.best_loss, self.best_model = [], float("inf"), None
        self.batches, self.total = 0, 0.0  # of the epoch under way

    @property
    def evaluated(self) -> nn.Module:
        """The weights that count: their average where one is kept."""
        return self.average.module if self.average else self.model

    def step(self, backward: Callable, batch: Batch, learning_rate: float, clip: float | None) -> None:
        """One update by one batch, whose loss counts for the share of it that this rank holds."""
        self.optimiser.param_groups[0]["lr"] = learning_rate
        self.optimiser.zero_grad(set_to_none=True)
        value = backward(batch, self.generator)
        if clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), clip)
        self.optimiser.step()
        if self.average:
            self.average.update_parameters(self.model)
        self.total += float(distributed.summed(value * batch.part))
        self.batches += 1

    def close_epoch(self, record: dict) -> None:
        """Keep the record of an epoch, and the weights if they are the best."""
        self.history.append(record)
        self.batches, self.total = 0, 0.0
        if record["validation"] < self.best_loss:
            # a copy: state_dict() aliases the weights
            self.best_loss, self.best_model = record["validation"], copy.deepcopy(self.evaluated.state_dict())

    def state_dict(self) -> dict:
        """Plain tensors and numbers."""
        kept = ("history", "best_loss", "best_model", "batches", "total")
        parts = {name: getattr(self, name).state_dict() for name in ("model", "optimiser")}
        average = self.average.state_dict() if self.average else None
        return (
            parts | {"generator": self.generator.get_state(), "average": average} | {k: getattr(self, k) for k in kept}
        )

    def load_state_dict(self, saved: dict) -> None:
        """Go on from what `state_dict` gave."""
        saved = dict(saved)
        self.model.load_state_dict(saved.pop("model"))
        self.optimiser.load_state_dict(saved.pop("optimiser"))
        self.generator.set_state(saved.pop("generator"))
        average = saved.pop("average")
        if self.average:
            self.average.load_state_dict(average)
        for name, value in saved.items():
            setattr(self, name, value)


def read_state(path: Path) -> dict | None:
    """The resume state, on the CPU; None where there is none."""
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None


def save_state(path: Path, run: Run) -> None:
    """Write the resume state atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    torch.save(run.state_dict(), partial)
    os.replace(partial, path)


def weight_type(precision: str, device: torch.device) -> torch.dtype:
    """Type of weights and positions under a precision; ValueError for one that is unknown or that the device lacks."""
    types = {"float32": torch.float32, "bfloat16": torch.float32, "float64": torch.float64}
    if precision not in types:
        raise ValueError(f"precision is {precision!r}, expected one of {', '.join(types)}")
    if precision == "bfloat16" and not (device.type == "cuda" and torch.cuda.is_bf16_supported()):
        raise ValueError(f"precision bfloat16 needs a GPU that has it, and the device is {device}; use float32")
    return types[precision]

"""One training loop for every task: resumable, one line an epoch, the best weights really kept."""

import copy
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lib.data.loader import Batch, Loader


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


def fit(
    model: nn.Module,
    loss: Callable[[nn.Module, Batch, torch.Generator], Tensor],
    evaluate: Callable[[nn.Module], float],
    loader: Loader,
    schedule: Schedule,
    seed: int,
    state: Path,
) -> list[dict]:
    """Train `model` in place with AdamW (amsgrad, P2) and leave it at its best validation epoch.

    loss: scalar of one batch; draws its noise from the generator. evaluate: validation loss, smaller is better.
    state: file for the resume state, written after each epoch and removed at the end. A resumed run prints the lines
    of the epochs before it, and so leaves the same output as one that was never interrupted.
    Gives one record an epoch: {"epoch", "train", "validation"}. Raises FloatingPointError when the loss is not finite.
    """
    optimiser = torch.optim.AdamW(model.parameters(), lr=schedule.learning_rate, amsgrad=True)
    steps = schedule.epochs * len(loader)
    generator = torch.Generator(device=loader.z.device).manual_seed(seed)
    history, best = [], (float("inf"), None)
    if state.exists():
        saved = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        generator.set_state(saved["generator"])
        history, best = saved["history"], (saved["best_loss"], saved["best_model"])
        for record in history:
            print(LINE.format(**record), flush=True)
    for epoch in range(len(history) + 1, schedule.epochs + 1):
        model.train()
        total = 0.0
        for i, batch in enumerate(loader.epoch(epoch)):
            step = (epoch - 1) * len(loader) + i
            optimiser.param_groups[0]["lr"] = schedule.learning_rate * schedule.factor(step, steps)
            optimiser.zero_grad(set_to_none=True)
            value = loss(model, batch, generator)
            value.backward()
            if schedule.clip:
                nn.utils.clip_grad_norm_(model.parameters(), schedule.clip)
            optimiser.step()
            total += float(value.detach())
        model.eval()
        record = {"epoch": epoch, "train": total / len(loader), "validation": evaluate(model)}
        if not math.isfinite(record["train"] + record["validation"]):
            raise FloatingPointError(f"the loss of epoch {epoch} is {record}; lower the learning rate")
        history.append(record)
        if record["validation"] < best[0]:
            best = (record["validation"], copy.deepcopy(model.state_dict()))  # a copy: state_dict() aliases the weights
        print(LINE.format(**record), flush=True)
        save_state(state, model, optimiser, generator, history, best)
    model.load_state_dict(best[1])
    state.unlink()
    return history


def save_state(path: Path, model, optimiser, generator, history, best) -> None:
    """Write the resume state atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    contents = {
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "generator": generator.get_state(),
        "history": history,
        "best_loss": best[0],
        "best_model": best[1],
    }
    partial = path.with_suffix(".tmp")
    torch.save(contents, partial)
    os.replace(partial, path)

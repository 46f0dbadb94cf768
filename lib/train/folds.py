"""Fold classification: train a host on whole proteins, choose the epoch on the validation split alone."""

import copy
import math
import os
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from lib.hosts.proteins import Augmentation, Proteins


LINE = "epoch {epoch:3d}  loss {loss:.4f}  train {train:.1%}  validation {validation:.1%}"


@dataclass(frozen=True)
class Recipe:
    """How a host is trained: Adam, the rate multiplied by `factor` every `every` epochs.

    The published recipe of ProNet is 1000 epochs of batches of 32, 5e-4, halved every 150 epochs, with all
    augmentation.
    """

    epochs: int
    learning_rate: float = 5e-4
    batch: int = 32
    every: int = 150
    factor: float = 0.5
    augmentation: Augmentation = field(default_factory=Augmentation)


@torch.no_grad()
def logits(model: nn.Module, proteins: Proteins, batch: int = 64) -> Tensor:
    """(n, classes) of every protein, in evaluation mode."""
    model.eval()
    order = torch.arange(len(proteins), device=proteins.label.device)
    return torch.cat([model(proteins.pick(part)) for part in order.split(batch)])


def accuracy(model: nn.Module, proteins: Proteins) -> float:
    """Share of the proteins whose class is named."""
    return float((logits(model, proteins).argmax(1) == proteins.label).float().mean())


def fit(
    model: nn.Module,
    training: Proteins,
    validation: Proteins,
    recipe: Recipe,
    seed: int,
    state: Path,
    progress: bool = True,
) -> list[dict]:
    """Train `model` in place and leave it at its best validation epoch; of equal accuracies, that of the lower loss.

    state: file for the resume state, written after each epoch and removed at the end; a run that goes on from it gives
    the same numbers as one that was never interrupted. progress: print one line an epoch. Gives one record an epoch:
    {"epoch", "loss", "train", "validation", "validation_loss"}. "train" is the accuracy on the augmented batches.
    Raises FloatingPointError when the loss is not finite.
    """
    device = training.label.device
    generator = torch.Generator(device).manual_seed(seed)  # of everything that is drawn, dropout apart
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, recipe.every, recipe.factor)
    history, best = [], None
    if state.exists():
        saved = torch.load(state, map_location=device, weights_only=True)
        for part, name in ((model, "model"), (optimiser, "optimiser"), (schedule, "schedule")):
            part.load_state_dict(saved[name])
        generator.set_state(saved["generator"].cpu())
        history, best = saved["history"], saved["best"]
    for record in history if progress else ():
        print(LINE.format(**record), flush=True)
    for epoch in range(len(history) + 1, recipe.epochs + 1):
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(1_000_003 * seed + epoch)  # dropout draws from the global generator
            loss, train = one_epoch(model, training, recipe, optimiser, generator)
        schedule.step()
        found = logits(model, validation)
        record = {"epoch": epoch, "loss": loss, "train": train}
        record["validation"] = float((found.argmax(1) == validation.label).float().mean())
        record["validation_loss"] = float(functional.cross_entropy(found, validation.label))
        if not math.isfinite(loss + record["validation_loss"]):
            raise FloatingPointError(f"the loss of epoch {epoch} is {record}; lower the learning rate")
        history.append(record)
        reached = (record["validation"], -record["validation_loss"])
        if best is None or reached > tuple(best["reached"]):
            best = {"reached": list(reached), "model": copy.deepcopy(model.state_dict())}  # state_dict() is an alias
        if progress:
            print(LINE.format(**record), flush=True)
        save_state(state, model, optimiser, schedule, generator, history, best)
    model.load_state_dict(best["model"])
    model.eval()
    state.unlink(missing_ok=True)
    return history


def one_epoch(
    model: nn.Module, training: Proteins, recipe: Recipe, optimiser: torch.optim.Optimizer, generator: torch.Generator
) -> tuple[float, float]:
    """Mean loss and accuracy over the batches of one epoch; every protein is in exactly one of them."""
    model.train()
    device = training.label.device
    order = torch.randperm(len(training), generator=generator, device=device)
    total, right = 0.0, 0
    for part in order.split(recipe.batch):
        batch = recipe.augmentation(training.pick(part), generator)
        found = model(batch, generator)
        loss = functional.cross_entropy(found, batch.label)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total += float(loss.detach()) * len(part)
        right += int((found.argmax(1) == batch.label).sum())
    return total / len(training), right / len(training)


def save_state(state: Path, model, optimiser, schedule, generator, history: list, best: dict) -> None:
    """Write the resume state atomically."""
    state.parent.mkdir(parents=True, exist_ok=True)
    parts = {"model": model, "optimiser": optimiser, "schedule": schedule}
    saved = {name: part.state_dict() for name, part in parts.items()}
    saved |= {"generator": generator.get_state(), "history": history, "best": best}
    torch.save(saved, state.with_suffix(".tmp"))
    os.replace(state.with_suffix(".tmp"), state)

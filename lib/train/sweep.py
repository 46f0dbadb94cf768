"""Many encoders one after another by the one loop: a learning rate for each size, equal samples, then on until it ends.

Three parts of the data, by molecule (lib.data.mixture.put_aside): `train`; `validation`, by which rates, epochs and the
end of training are chosen; `test`, which is reported and chooses nothing.
"""

import os
import shutil
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from joblib import Parallel, delayed
from torch import nn

from lib import paths
from lib.data.molecules import MoleculeSet
from lib.models import Encoder, EncoderConfig, random_encoder
from lib.threads import single_thread
from lib.train import denoise, masking
from lib.train.loop import Schedule, fit, read_state


AXES = ("width", "depth", "aspect", "cutoff", "data")
OBJECTIVES = ("denoise", "denoise+mask")
TUNING_SEED = 1000  # of the runs that choose a rate: none of the reported ones


@dataclass(frozen=True)
class Recipe:
    """What the runs of a sweep share. sigma in Å; a sample is one molecule seen once."""

    samples: int  # in one round: the same for every size
    batch_size: int
    rates: tuple[float, ...]  # candidates, ascending
    tuning_samples: int  # behind the choice of the rate of a size
    warmup: int = 0  # steps of linear rise of the rate in every round
    decay: bool = True
    clip: float | None = 1.0
    sigma: float = denoise.SIGMA
    rounds: int = 1  # at most, each with the rate risen and fallen again
    gain: float = 0.01  # relative gain on `validation` that a round must bring for another one to follow
    objective: str = "denoise"

    def __post_init__(self):
        if self.objective not in OBJECTIVES:
            raise ValueError(f"objective is {self.objective!r}, expected one of {', '.join(OBJECTIVES)}")
        if not self.rates or list(self.rates) != sorted(self.rates) or self.rates[0] <= 0:
            raise ValueError(f"rates are {self.rates}, expected positive ones in ascending order")
        if min(self.samples, self.tuning_samples, self.batch_size, self.rounds) < 1:
            raise ValueError(
                f"samples {self.samples}, tuning_samples {self.tuning_samples}, batch_size {self.batch_size} "
                f"and rounds {self.rounds}, expected at least 1 of each"
            )


@dataclass(frozen=True)
class Size:
    """One point of a curve: an encoder, and how many training molecules it may see (None: all)."""

    config: EncoderConfig
    molecules: int | None = None


def varied(axis: str, value, base: EncoderConfig, molecules: int | None = None) -> Size:
    """The size at one value of an axis: channels, layers, [channels, layers], Å or training molecules.

    Raises ValueError for an unknown axis and, by EncoderConfig, for an encoder that cannot be.
    """
    if axis not in AXES:
        raise ValueError(f"axis is {axis!r}, expected one of {', '.join(AXES)}")
    if axis == "data":
        return Size(base, int(value))
    changes = {
        "width": lambda: {"hidden": value},
        "depth": lambda: {"layers": value},
        "aspect": lambda: {"hidden": value[0], "layers": value[1]},
        "cutoff": lambda: {"cutoff": float(value)},
    }
    return Size(replace(base, **changes[axis]()), molecules)


def parameters(config: EncoderConfig) -> int:
    """Trainable numbers of an encoder with its denoising head, without the table of elements."""
    encoder = random_encoder(config, 0)
    return sum(p.numel() for name, p in encoder.named_parameters() if not name.endswith("embedding.weight"))


@dataclass(frozen=True)
class Trained:
    """A finished run. rounds: one {"samples", "validation", "test"} each; encoder: at its best validation loss."""

    encoder: Encoder
    rounds: list[dict]

    @property
    def equal(self) -> float:
        """Test loss after the one round that every size had."""
        return self.rounds[0]["test"]

    @property
    def out(self) -> float:
        """Test loss of the round with the best validation loss."""
        return min(self.rounds, key=lambda r: r["validation"])["test"]


class Sweep:
    """Runs on one data set by one recipe. place: folder of the resume states, one subfolder a run.

    A killed sweep goes on from its last saved state, and finished runs are read back; `close` removes them all, so
    that the next sweep trains and does not read. Until then log.txt in each subfolder has a line for every epoch.
    """

    def __init__(self, molecules: MoleculeSet, data_hash: str, recipe: Recipe, name: str = "sweep", device="cpu"):
        self.molecules, self.data_hash, self.recipe, self.device = molecules, data_hash, recipe, device
        self.name, self.used = name, set()

    def place(self, *settings) -> Path:
        """Folder of one run."""
        folder = paths.scratch(self.name, self.data_hash, *settings)
        self.used.add(folder)
        return folder

    def rate(self, size: Size) -> tuple[float, dict[float, float]]:
        """The best rate of a size on `validation`, and the loss of each candidate (infinite where it diverged)."""
        short = replace(self.recipe, samples=self.recipe.tuning_samples, rounds=1)
        if size.molecules is not None:
            size = replace(size, molecules=min(size.molecules, short.samples))
        losses = {}
        for candidate in self.recipe.rates if len(self.recipe.rates) > 1 else ():
            try:
                losses[candidate] = self.run(size, candidate, TUNING_SEED, short).rounds[0]["validation"]
            except FloatingPointError:
                losses[candidate] = float("inf")
        return min(losses, key=losses.get) if losses else self.recipe.rates[0], losses

    def runs(self, size: Size, seeds: Sequence[int]) -> tuple[float, list["Trained"]]:
        """The rate of a size and a run of each seed; where one diverges, all of them at the next lower candidate.

        Raises FloatingPointError when the lowest candidate diverges as well.
        """
        rate, _ = self.rate(size)
        lower = [candidate for candidate in self.recipe.rates if candidate <= rate]
        while True:
            try:
                return lower[-1], [self.run(size, lower[-1], seed) for seed in seeds]
            except FloatingPointError:
                if len(lower) == 1:
                    raise
                lower.pop()

    def ahead(self, sizes: Sequence[Size], seeds: Sequence[int], workers: int) -> None:
        """Do on `workers` processes what `runs` will be asked for; it then reads it back, the same bits.

        One worker does nothing here: the work is done when it is asked for. Give the costliest sizes first.
        """
        if workers > 1:
            spread = Parallel(n_jobs=workers, max_nbytes=None)
            rates = [rate for rate, _ in spread(delayed(self.rate)(size) for size in sizes)]
            spread(delayed(self.attempt)(size, rate, seed) for size, rate in zip(sizes, rates) for seed in seeds)

    def attempt(self, size: Size, rate: float, seed: int) -> None:
        """A run that may diverge; that it does is remembered, as is what it finds."""
        with suppress(FloatingPointError):
            self.run(size, rate, seed)

    def run(self, size: Size, rate: float, seed: int, recipe: Recipe | None = None) -> Trained:
        """Train one encoder: a round of `samples`, and more of them while validation gains and rounds are left.

        Where all molecules may be seen, each round draws its own; a given number stays the same through all rounds.
        Raises ValueError for more molecules than a round has samples: they could not all be seen. Raises
        FloatingPointError where the loss diverges, at once when asked for the same run again.
        """
        recipe = recipe or self.recipe
        if size.molecules is not None and size.molecules > recipe.samples:
            raise ValueError(
                f"{size.molecules} training molecules, expected at most the {recipe.samples} samples of a round"
            )
        limit = size.molecules or recipe.samples
        epochs = max(1, round(recipe.samples / limit))
        # how the rate was chosen changes nothing in a run: with other candidates, those of before need not run again
        how = {k: v for k, v in asdict(recipe).items() if k not in ("rates", "tuning_samples")}
        place = self.place(asdict(size.config), size.molecules, how, rate, seed)
        encoder = random_encoder(size.config, seed).to(self.device)
        encoder.check = False  # the set was checked as a whole when it was loaded
        model, loss = objective(encoder, recipe, seed)
        saved = read_state(place / "rounds.pt") or {"rounds": [], "best": None, "last": None}
        if "diverged" in saved:
            raise FloatingPointError(saved["diverged"])
        if saved["last"]:
            model.load_state_dict(saved["last"])
        while not finished(saved["rounds"], recipe):
            number = len(saved["rounds"])
            drawn = seed + (number * 7919 if size.molecules is None else 0)
            parts = denoise.loaders(self.molecules, recipe.batch_size, limit, drawn, self.device)
            parts["train"].seed = seed + number * 7919  # another order in every round, also of the same molecules
            schedule = Schedule(epochs, rate, recipe.warmup, recipe.decay, recipe.clip)
            place.mkdir(parents=True, exist_ok=True)
            # the lines of each epoch go to a file: a resumed notebook then reads like one that was never interrupted
            with single_thread(), (place / "log.txt").open("a") as log, redirect_stdout(log):
                check = denoise.Validation(parts["validation"], recipe.sigma)
                try:
                    history = fit(model, loss, check, parts["train"], schedule, seed + number, place / "state.pt")
                except FloatingPointError as error:
                    save({"diverged": str(error)}, place / "rounds.pt")
                    raise
                found = denoise.Validation(parts["test"], recipe.sigma, seed=1)(model)
            best = min(h["validation"] for h in history)
            seen = (number + 1) * epochs * len(parts["train"].sizes)
            saved["rounds"].append({"samples": seen, "validation": best, "test": found})
            saved["last"] = {k: v.clone() for k, v in model.state_dict().items()}
            if best == min(r["validation"] for r in saved["rounds"]):
                saved["best"] = saved["last"]
            save(saved, place / "rounds.pt")
        model.load_state_dict(saved["best"])
        return Trained(encoder.eval(), saved["rounds"])

    def close(self) -> None:
        """Forget the resume states of all runs that were asked for."""
        for folder in self.used:
            shutil.rmtree(folder, ignore_errors=True)


def objective(encoder: Encoder, recipe: Recipe, seed: int) -> tuple[nn.Module, partial]:
    """What is trained, and its loss."""
    if recipe.objective == "denoise":
        return encoder, partial(denoise.loss, sigma=recipe.sigma)
    return masking.MaskedEncoder(encoder, seed).to(next(encoder.parameters()).device), partial(
        masking.loss, sigma=recipe.sigma
    )


def finished(rounds: list[dict], recipe: Recipe) -> bool:
    """Whether no round is to follow: none is left, or the last one gained too little."""
    if len(rounds) < 2:
        return len(rounds) == recipe.rounds
    before = min(r["validation"] for r in rounds[:-1])
    return len(rounds) == recipe.rounds or rounds[-1]["validation"] > before * (1 - recipe.gain)


def save(saved: dict, path: Path) -> None:
    """Write a resume state atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_file = path.with_suffix(".tmp")
    torch.save(saved, partial_file)
    os.replace(partial_file, path)

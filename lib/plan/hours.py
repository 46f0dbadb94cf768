"""Hours of each pre-training run of a profile, at the rate measured on this machine."""

import time
from dataclasses import dataclass, replace
from itertools import count

import torch

from lib.data.mapped import open_mapped
from lib.data.molecules import MoleculeSet
from lib.models import EncoderConfig, random_encoder
from lib.paths import ROOT
from lib.plan import needs
from lib.train.denoise import loaders, loss


SECONDS = 3.0  # of training that a rate is measured over


@dataclass(frozen=True)
class Cost:
    """Of one pre-training run: conformers seen, conformers a second, and bytes on the device at the most (0: a CPU)."""

    seen: int
    rate: float
    memory: int

    @property
    def hours(self) -> float:
        return self.seen / self.rate / 3600


def measure(run: dict, molecules: MoleculeSet, seen: int, seconds: float = SECONDS) -> Cost:
    """Train with the run's own settings on some of these molecules for a while; nothing is kept."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    config = EncoderConfig(
        run["architecture"], run["layers"], run["hidden"], run["rbf"], run["cutoff"], smooth=run["smooth"]
    )
    encoder = random_encoder(config, 0).to(device)
    some = loaders(molecules, run["batch_size"], 20_000, 0, device, atoms_per_batch=run["atoms_per_batch"])["train"]
    optimiser = torch.optim.AdamW(encoder.parameters(), lr=0.0, amsgrad=True)
    generator = torch.Generator(device=device).manual_seed(0)

    def step(batch) -> int:
        loss(encoder, batch, generator, run["sigma"]).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if device == "cuda":
            torch.cuda.synchronize()
        return int(batch.batch[-1]) + 1

    batches = (batch for epoch in count() for batch in some.epoch(epoch))
    step(next(batches))  # compiles
    trained, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds or not trained:
        trained += step(next(batches))
    return Cost(seen, trained / passed, torch.cuda.max_memory_allocated() if device == "cuda" else 0)


def table(profile: dict) -> list[str]:
    """One line for each pre-training run, and their sum; runs that differ in their seed only are measured once."""
    rows, known = [("run", "conformers seen", "a second", "hours", "GPU memory")], {}
    for name, run in profile["pretrain"].items():
        here = ROOT / run["data"] / "molecules.h5"
        total = needs.conformers(run["data"])
        if total is None:
            rows.append((name, "not known", "", "", ""))
            continue
        seen = min(total, run["train_limit"] or total) * run["epochs"]
        alike = repr({key: value for key, value in run.items() if key not in ("seed", "epochs", "train_limit")})
        if alike not in known:
            known[alike] = measure(run, open_mapped(here if here.exists() else needs.STAND_IN), seen)
        cost = replace(known[alike], seen=seen)
        memory = f"{cost.memory / 1e9:.1f} GB" if cost.memory else "-"
        rows.append((name, f"{seen:,}", f"{cost.rate:,.0f}", f"{cost.hours:,.1f}", memory))
    total = sum(float(row[3].replace(",", "")) for row in rows[1:] if row[3])
    rows.append(("all, one after the other", "", "", f"{total:,.1f}", ""))
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    pad = lambda row: [row[0].ljust(widths[0]), *(w.rjust(n) for w, n in zip(row[1:], widths[1:]))]  # noqa: E731
    return ["  ".join(pad(row)) for row in rows]

"""What a profile needs, said before anything starts: its sets, disk, memory and hours, measured on this machine.

`make plan NAME=paper` or `python -m lib.plan paper`; exit status 1 if something would stop it. Nothing is fetched.
"""

import argparse
import shutil
import sys
import time
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import h5py
import numpy as np
import torch
from ruamel.yaml import YAML

from lib.data.mapped import open_mapped
from lib.data.molecules import MoleculeSet
from lib.data.sources import public_sets
from lib.doctor import Finding
from lib.models import EncoderConfig, random_encoder
from lib.paths import DATA, ROOT
from lib.train.denoise import loaders, loss


STAND_IN = DATA / "mini-equilibrium" / "molecules.h5"  # molecules of about the size of those of a set that is not here
SECONDS = 3.0  # of training that a rate is measured over
ROOM_GB = 4  # environment, cache and results


@dataclass(frozen=True)
class Cost:
    """Of one pre-training run: conformers seen, conformers a second, and bytes on the device at the most (0: a CPU)."""

    seen: int
    rate: float
    memory: int

    @property
    def hours(self) -> float:
        return self.seen / self.rate / 3600


def conformers(folder: str) -> int | None:
    """Training conformers of the set in a folder below the root: of the file, or as published; None if not known."""
    path = ROOT / folder / "molecules.h5"
    if path.exists():
        with h5py.File(path) as file:
            return int(np.count_nonzero(file["split"][:] == 0))
    public = public_sets().get(Path(folder).name)
    return public.records if public else None


def sets(profile: dict) -> list[Finding]:
    """One finding for each molecule set that the profile pre-trains on."""
    found = []
    for folder in sorted({run["data"] for run in profile["pretrain"].values()}):
        public = public_sets().get(Path(folder).name)
        if (ROOT / folder / "molecules.h5").exists():
            found.append(Finding("set", f"{folder}: {conformers(folder):,} conformers to train on"))
        elif public:
            what = f"{folder} is not here: {public.download} GB to fetch, {public.disk} GB packed, {public.licence}"
            found.append(Finding("set", what, f"`python -m lib.data.sources {public.name}`"))
        else:
            found.append(Finding("set", f"{folder} is not here and is no public set", "`dvc pull`, or `make data`"))
    return found


def disk(profile: dict, free: int | None = None) -> Finding:
    """Whether what is missing fits on the disk; free: bytes, None asks the machine."""
    free = shutil.disk_usage(ROOT).free if free is None else free
    away = {Path(r["data"]).name for r in profile["pretrain"].values() if not (ROOT / r["data"]).exists()}
    wanted = ROOM_GB + sum(gigabytes(public_sets()[name].disk) for name in away & public_sets().keys())
    mend = "" if free >= wanted * 1e9 else "make room, or link data-public/ to a larger disk"
    return Finding("disk", f"{free / 1e9:.0f} GB free, {wanted:.0f} GB wanted", mend)


def gigabytes(text: str) -> float:
    """The number that a size as text begins with."""
    digits = "".join(c if c in "0123456789." else " " for c in text).split()
    return float(digits[0]) if digits else 0.0


def gpu(profile: dict) -> Finding:
    """Which device trains."""
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Finding("GPU", f"{len(names)} × {names[0]}; torchrun shares a run among them (README)")
    mend = (
        "" if sum(r["epochs"] for r in profile["pretrain"].values()) < 100 else "the hours below are those of the CPU"
    )
    return Finding("GPU", "none", mend, warning=True)


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
        total = conformers(run["data"])
        if total is None:
            rows.append((name, "not known", "", "", ""))
            continue
        seen = min(total, run["train_limit"] or total) * run["epochs"]
        alike = repr({key: value for key, value in run.items() if key not in ("seed", "epochs", "train_limit")})
        if alike not in known:
            known[alike] = measure(run, open_mapped(here if here.exists() else STAND_IN), seen)
        cost = replace(known[alike], seen=seen)
        memory = f"{cost.memory / 1e9:.1f} GB" if cost.memory else "-"
        rows.append((name, f"{seen:,}", f"{cost.rate:,.0f}", f"{cost.hours:,.1f}", memory))
    total = sum(float(row[3].replace(",", "")) for row in rows[1:] if row[3])
    rows.append(("all, one after the other", "", "", f"{total:,.1f}", ""))
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    pad = lambda row: [row[0].ljust(widths[0]), *(w.rjust(n) for w, n in zip(row[1:], widths[1:]))]  # noqa: E731
    return ["  ".join(pad(row)) for row in rows]


def main(words: list[str] | None = None) -> int:
    """Print findings and hours; 1 if something would stop the profile."""
    parser = argparse.ArgumentParser(prog="python -m lib.plan", description=__doc__.splitlines()[0])
    names = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))
    parser.add_argument("profile", choices=names)
    profile = YAML(typ="safe").load(ROOT / "profiles" / f"{parser.parse_args(words).profile}.yaml")
    findings = [*sets(profile), disk(profile), gpu(profile)]
    print(*findings, sep="\n")
    print("\nPre-training, at the rate measured now on this machine:\n", *table(profile), sep="\n")
    wrong = sum(bool(f.mend) and not f.warning for f in findings)
    print(f"\n{wrong} to mend first" if wrong else "\nready: `dvc repro`")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""What would stop a profile: sets that cannot be had, hosts that do not answer, disk and memory that do not suffice."""

import os
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import torch

from lib.data.sources import public_sets
from lib.data.sources.__main__ import other_sets
from lib.data.sources.fetch import AGENT
from lib.data.sources.source import Source
from lib.data.systems import PUBLIC
from lib.doctor import Finding
from lib.paths import DATA, ROOT


STAND_IN = DATA / "mini-equilibrium" / "molecules.h5"  # molecules of about the size of those of a set that is not here
ROOM_GB = 4  # environment, cache and results
ANSWER_S = 10.0  # that a host may take
ATOM_BYTES = 3 * 4 + 8  # a position and an element on the device, where a set is resident


def findings(profile: dict) -> Iterator[Finding]:
    """Everything that is to be known before the profile starts, one line each."""
    yield from sets(profile)
    for source in missing(profile):
        yield from access(source)
    yield disk(profile)
    yield memory(profile)
    yield gpu(profile)


def packed(name: str) -> bool:
    """Whether a public set is here, whole: its card is written last, HomologyTAPE's one file as well."""
    folder = ROOT / PUBLIC.name / name
    return (folder / "card.json").exists() or (folder / "domains.h5").exists()


def missing(profile: dict) -> list[Source]:
    """The molecule sets that the profile fetches and that are not here."""
    return [source for name, source in public_sets().items() if name in profile["fetch"] and not packed(name)]


def conformers(folder: str) -> int | None:
    """Training conformers of the set in a folder below the root: of the file, or as published; None if not known."""
    path = ROOT / folder / "molecules.h5"
    if path.exists():
        with h5py.File(path) as file:
            return int(np.count_nonzero(file["split"][:] == 0))
    public = public_sets().get(Path(folder).name)
    return public.records if public else None


def sets(profile: dict) -> Iterator[Finding]:
    """One finding for each set that the profile pre-trains on or fetches."""
    for name in profile["fetch"]:
        if packed(name):
            yield Finding("set", f"data-public/{name} is here")
            continue
        public = public_sets().get(name)
        size = f"; {public.download} GB to fetch, {public.disk} GB packed, {public.licence}" if public else ""
        mend = f"none needed: `dvc repro` fetches it, and so does `python -m lib.data.sources {name}`"
        yield Finding("set", f"data-public/{name} is not here{size}", mend, warning=True)
    for folder in sorted({run["data"] for run in profile["pretrain"].values()}):
        if (ROOT / folder / "molecules.h5").exists():
            yield Finding("set", f"{folder}: {conformers(folder):,} conformers to train on")
        elif folder.startswith("artifacts/"):
            yield Finding("set", f"{folder}: not here yet, a stage makes it")
        elif Path(folder).name not in profile["fetch"]:
            known = Path(folder).name in public_sets().keys() | other_sets().keys()
            mend = "name it under `fetch` in the profile" if known else "`dvc pull`, or `make data`"
            yield Finding("set", f"{folder} is not here", mend)


def access(source: Source, patience: float = ANSWER_S) -> Iterator[Finding]:
    """Whether the host of each file answers, and how large the file is; nothing is read of it."""
    for file in source.files:
        try:
            request = urllib.request.Request(file.url, headers=AGENT)
            with urllib.request.urlopen(request, timeout=patience) as answer:
                size = answer.headers.get("Content-Length")
        except OSError as error:
            reason = getattr(error, "reason", None) or error
            mend = "see the network and the address; a file put into data-public/raw by hand is taken as well"
            yield Finding("access", f"{file.url} does not answer: {reason}", mend)
            continue
        told = f"{int(size) / 1e9:.2f} GB" if size else "size not told"
        yield Finding("access", f"{source.name}: {file.name}, {told}")


def disk(profile: dict, free: int | None = None) -> Finding:
    """Whether what is missing fits on the disk; free: bytes, None asks the machine."""
    free = shutil.disk_usage(ROOT).free if free is None else free
    wanted = ROOM_GB + sum(gigabytes(source.disk) for source in missing(profile))
    mend = "" if free >= wanted * 1e9 else "make room, or link data-public/ to a larger disk"
    return Finding("disk", f"{free / 1e9:.0f} GB free, at least {wanted:.0f} GB wanted", mend)


def gigabytes(text: str) -> float:
    """The number that a size as text begins with."""
    digits = "".join(c if c in "0123456789." else " " for c in text).split()
    return float(digits[0]) if digits else 0.0


def memory(profile: dict, there: int | None = None) -> Finding:
    """Whether the largest set that training keeps in memory fits; there: bytes of the device, None asks it."""
    if there is None:
        cuda = torch.cuda.is_available()
        there = torch.cuda.mem_get_info()[1] if cuda else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with h5py.File(STAND_IN) as file:
        atoms = len(file["z"]) / (len(file["offsets"]) - 1)
    resident = {run["data"] for run in profile["pretrain"].values() if run["resident"]}
    wanted = max((conformers(folder) or 0 for folder in resident), default=0) * atoms * ATOM_BYTES
    mend = "" if wanted < 0.5 * there else "set `resident: false`: the set is then read from disk while it trains"
    return Finding("memory", f"{there / 1e9:.0f} GB on the device, {wanted / 1e9:.1f} GB for the largest set", mend)


def gpu(profile: dict) -> Finding:
    """Which device trains."""
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Finding("GPU", f"{len(names)} × {names[0]}; torchrun shares a run among them (docs/scale.md)")
    seen = sum((conformers(run["data"]) or 0) * run["epochs"] for run in profile["pretrain"].values())
    mend = "the hours below are those of the CPU" if seen > 1e7 else ""
    return Finding("GPU", "none", mend, warning=True)

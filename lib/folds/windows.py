"""Each residue's window as a molecule of its own, through a frozen encoder, to one token a residue (P1, figure 1)."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from lib.data.domains import DomainSet, ranges
from lib.embed.cached import weights_sha256
from lib.embed.tokens import ATOMS_PER_BATCH
from lib.models.readout import invariants, pool
from lib.paths import SCRATCH
from lib.threads import single_thread


BLOCK = 512  # windows between two writes: what a killed run loses at the most
SUMS = ("window", "centre")
PAPER_WINDOWS = 2_100_000  # residues of the 12,312 training domains of HomologyTAPE, about 170 each


@dataclass(frozen=True)
class Windows:
    """Which atoms are cut out for a residue, and which of them its token sums.

    half: residues on each side, as far as the chain reaches without a gap. sums: "window", all atoms of the window, or
    "centre", those of the residue itself, which saw the others.
    """

    half: int = 2
    sums: str = "window"

    def __post_init__(self):
        if self.half < 0:
            raise ValueError(f"half is {self.half} residues, expected at least 0")
        if self.sums not in SUMS:
            raise ValueError(f"sums {self.sums!r} is not one of {', '.join(SUMS)}")

    def span(self, domains: DomainSet) -> tuple[np.ndarray, np.ndarray]:
        """First and last (excluded) residue (R,) of each window; none crosses a gap or the end of a domain."""
        change = np.ones(len(domains.kind), bool)
        change[1:] = (np.diff(domains.segment) != 0) | (np.diff(domains.domain) != 0)
        starts = np.flatnonzero(change)
        counts = np.diff([*starts, len(change)])
        first, last = np.repeat(starts, counts), np.repeat(starts + counts, counts)
        row = np.arange(len(change))
        return np.maximum(row - self.half, first), np.minimum(row + self.half + 1, last)


def atoms_of(domains: DomainSet, windows: Windows, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atoms of the chosen windows (b,): index (atom,) into the set, window (atom,) from 0, and whether the token sums
    each of them (atom,) bool.
    """
    first, last = windows.span(domains)
    starts, sizes = domains.atoms[first[chosen]], domains.atoms[last[chosen]] - domains.atoms[first[chosen]]
    index, window = ranges(starts, sizes), np.repeat(np.arange(len(chosen)), sizes)
    own = (index >= domains.atoms[chosen][window]) & (index < domains.atoms[chosen + 1][window])
    return index, window, own if windows.sums == "centre" else np.ones(len(index), bool)


@torch.no_grad()
def encode(encoder: nn.Module, domains: DomainSet, windows: Windows, chosen: np.ndarray) -> np.ndarray:
    """(b, 2 H) float32 of the chosen residues: sums of scalars and lengths of the summed vectors."""
    device = next(encoder.parameters()).device
    first, last = windows.span(domains)
    sizes = np.cumsum(domains.atoms[last[chosen]] - domains.atoms[first[chosen]])
    found = []
    for part in np.split(chosen, np.flatnonzero(np.diff(sizes // ATOMS_PER_BATCH)) + 1):
        index, window, summed = atoms_of(domains, windows, part)
        put = lambda array: torch.from_numpy(array).to(device)  # noqa: E731
        window = put(window)
        scalars, vectors = encoder(put(domains.z[index].astype(np.int64)), put(domains.pos[index]), window)
        both = torch.cat([scalars[:, None], vectors], 1) * put(summed)[:, None, None]
        token = pool(both, window)[0]
        found.append(invariants(token[:, 0], token[:, 1:]).cpu().numpy())
    return np.concatenate(found)


def key(encoder: nn.Module, domains: DomainSet, windows: Windows) -> str:
    """Digest of all that decides the tokens: this code, weights, settings and atoms."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + weights_sha256(encoder).encode())
    digest.update(repr((encoder.config, encoder.neighbors, windows, torch.__version__)).encode())
    for values in (domains.z, domains.pos, domains.atoms, domains.residues, domains.segment):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:16]


@single_thread()
def tokens(
    encoder: nn.Module, domains: DomainSet, windows: Windows, folder: Path = SCRATCH / "windows", progress: bool = False
) -> np.ndarray:
    """(R, 2 H) float16 tokens of all residues, computed once, kept in `folder`, and continued after a kill.

    Raises ValueError for a set without side chains, and for tokens that float16 cannot hold.
    """
    if len(domains.z) < 3 * len(domains.kind):
        raise ValueError(
            f"{len(domains.z)} atoms in {len(domains.kind)} residues, expected all atoms: windows of a C-alpha trace "
            "mean nothing to an all-atom encoder"
        )
    path = folder / f"{key(encoder, domains, windows)}.h5"
    if not path.exists():
        fill(encoder, domains, windows, path.with_suffix(".part"), progress)
        os.replace(path.with_suffix(".part"), path)
    with h5py.File(path) as file:
        return file["tokens"][:]


def fill(encoder: nn.Module, domains: DomainSet, windows: Windows, path: Path, progress: bool) -> None:
    """Write the tokens that a file does not hold yet, block by block: first the tokens, then the count of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    total = len(domains.kind)
    with h5py.File(path, "a") as file:
        if "tokens" not in file:
            file.create_dataset("tokens", (total, 2 * encoder.config.hidden), np.float16)
            file.attrs["done"] = 0
        done = int(file.attrs["done"])
        with tqdm(total=total, initial=done, unit="window", disable=None if progress else True) as bar:
            for start in range(done, total, BLOCK):
                stop = min(start + BLOCK, total)
                found = encode(encoder, domains, windows, np.arange(start, stop))
                if np.abs(found).max() > np.finfo(np.float16).max:
                    raise ValueError(f"a token of {np.abs(found).max():g} does not fit float16")
                file["tokens"][start:stop] = found
                file.flush()
                file.attrs["done"] = stop
                bar.update(stop - start)

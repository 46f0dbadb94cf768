"""What is embedded: peptides from 10 to 579 atoms, with the density of a protein where they are large enough."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import mdtraj
import numpy as np
import torch
from torch import Tensor

from lib.paths import ROOT


START = ROOT / "lib" / "make" / "start"
CHIGNOLIN = Path(__file__).with_name("chignolin.pdb")
JITTER = 0.1  # Å: makes every frame another one, at about the amplitude of thermal vibration


@dataclass(frozen=True)
class System:
    """A PDB file, with or without its hydrogens."""

    name: str
    path: Path
    hydrogens: bool


SYSTEMS = {
    system.name: system
    for system in (
        System("ala2-heavy", START / "ala2.pdb", False),
        System("ala2", START / "ala2.pdb", True),
        System("chignolin-heavy", CHIGNOLIN, False),
        System("chignolin", CHIGNOLIN, True),
        System("hp35-model", START / "hp35-model.pdb", True),
    )
}


@cache
def structure(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Atomic numbers z (atom,) and positions (atom, 3) Å of one system."""
    system = SYSTEMS[name]
    frame = mdtraj.load(str(system.path))
    z = np.array([atom.element.atomic_number for atom in frame.topology.atoms])
    chosen = z > 0 if system.hydrogens else z > 1
    return z[chosen], frame.xyz[0, chosen] * 10


def frames(name: str, count: int, device: str = "cpu", seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """`count` jittered frames as z (atom,), pos (atom, 3) float32 Å and batch (atom,), the frames one after another."""
    z, pos = structure(name)
    jitter = np.random.default_rng(seed).normal(0, JITTER, (count, *pos.shape))
    where = torch.from_numpy((pos + jitter).reshape(-1, 3).astype(np.float32))
    batch = torch.arange(count).repeat_interleave(len(z))
    return torch.from_numpy(z).repeat(count).to(device), where.to(device), batch.to(device)

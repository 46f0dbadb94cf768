"""Make a small part of a data set again and compare it with what is stored: does `data/` come from this code?

Double precision (OpenMM's Reference platform) and relaxation agree on any machine. The pentapeptide (single precision)
and the disturbed conformers (signs of eigenvectors) repeat bitwise on one kind of processor only.
"""

import json
from pathlib import Path

import numpy as np

from lib.data.molecules import load
from lib.data.trajectories import load_system
from lib.make.dynamics import Dynamics, frames, simulation
from lib.make.fragments import enumerate_molecules
from lib.make.xtb import disturb, relax
from lib.paths import DATA


TOLERANCE_A = 0.011  # XTC stores 0.01 Å; relaxed geometries agree far better on one machine


def trajectory_difference(name: str, n_frames: int = 3, root: Path = DATA) -> float:
    """Largest coordinate difference (Å) between the first stored frames of trajectory 0 and a fresh simulation.

    A few ps only: molecular dynamics is chaotic, and after some 10 ps another processor's rounding shows.
    """
    settings = json.loads((root / name / "card.json").read_text())["settings"]
    system = load_system(name, root=root)
    dynamics = Dynamics(
        settings.get("starts", [name])[0],
        settings["temperature_K"],
        settings["friction_per_ps"],
        system.frame_ps,
        length_ns=n_frames * system.frame_ps / 1000,
        platform=settings["platform"],
    )
    fresh = frames(simulation(dynamics, settings["seeds"][0]), dynamics, n_frames) * 10
    return float(np.abs(fresh - system.positions(0)[:n_frames]).max())


def molecule_difference(name: str, n_molecules: int = 5, root: Path = DATA) -> float:
    """Largest coordinate difference (Å) between the first stored geometries and fresh ones."""
    settings = json.loads((root / name / "card.json").read_text())["settings"]
    stored = load(root / name / "molecules.h5")
    smiles = enumerate_molecules(settings["first"] + n_molecules, tuple(settings["heavy"]), settings["seed"])
    difference = 0.0
    for i, line in enumerate(smiles[settings["first"] :]):
        if settings["conformers"] > 1:
            fresh = disturb(line, i, settings["conformers"], tuple(settings["temperature_K"]))
        else:
            fresh = [record for record in [relax(line, i)] if record]
        rows = np.flatnonzero(stored.smiles == line)
        if len(rows) != len(fresh):
            raise ValueError(f"{name}: {line} has {len(rows)} stored geometries, {len(fresh)} when made again")
        for row, record in zip(rows, fresh):
            kept = stored.take(np.array([row])).pos
            difference = max(difference, float(np.abs(kept - record["pos"]).max()))
    return difference


def difference(name: str, root: Path = DATA) -> float:
    """Largest coordinate difference (Å) between the start of a stored set and the same made again."""
    return (molecule_difference if (root / name / "molecules.h5").exists() else trajectory_difference)(name, root=root)

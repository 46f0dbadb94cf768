"""Make a small part of a data set again and compare it with what is stored: does `data/` come from this code?

Double precision (OpenMM's Reference platform), relaxation by xTB and single points agree on any machine. The
pentapeptide, domains and peptides (single precision) and disturbed conformers (signs of eigenvectors) repeat bitwise
on one kind of processor only.
"""

import itertools
import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import numpy as np

from lib.data import domains
from lib.data.molecules import SPLITS, load
from lib.data.systems import REGISTRY
from lib.data.trajectories import load_system
from lib.make import folds
from lib.make.dft import single_points
from lib.make.driven import Plan, drive
from lib.make.dynamics import Dynamics, frames, simulation
from lib.make.fragments import enumerate_molecules
from lib.make.peptides import peptide, sequences
from lib.make.windows import Kinds, window_set
from lib.make.xtb import disturb, relax
from lib.paths import DATA, ROOT


TOLERANCE_A = 0.011  # XTC stores 0.01 Å; relaxed geometries, and gaps in eV, agree far better on one machine


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
    others = [load(ROOT / other / "molecules.h5").smiles for other in settings.get("without", [])]
    smiles = enumerate_molecules(
        settings["first"] + n_molecules,
        tuple(settings["heavy"]),
        settings["seed"],
        settings.get("elements", ()),
        set().union(*others),
    )
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


def domain_difference(name: str, n_domains: int = 1, root: Path = DATA) -> float:
    """Largest coordinate difference (Å) between the first stored domains and fresh ones."""
    settings = json.loads((root / name / "card.json").read_text())["settings"]
    stored = domains.load(root / name / "domains.h5")
    fresh = [folds.make(settings["folds"], fold, 0, settings["seed"]) for fold in range(n_domains)]
    return largest(stored.take([stored.name.tolist().index(each.name[0])]).pos - each.pos for each in fresh)


def window_difference(name: str, n_peptides: int = 2, root: Path = DATA) -> float:
    """Largest coordinate difference (Å) between all stored windows, and the first peptides, and fresh ones."""
    settings = json.loads((root / name / "card.json").read_text())["settings"]
    stored, judged = load(root / name / "molecules.h5"), [entry.sequence for entry in REGISTRY if entry.sequence]
    source = domains.load(root / settings["domains"] / "domains.h5").take(np.arange(settings["first_domains"]))
    counts = dict(zip(SPLITS, (settings["training"], settings["held_out"], settings["held_out"])))
    kinds = Kinds(tuple(settings["rows"]), settings["contacts"])
    windows = window_set(source, kinds, judged, counts, settings["seed"])
    wanted = sequences(settings["dipeptides"], settings["tripeptides"], judged, settings["seed"])[:n_peptides]
    short = {letters: peptide(letters, settings["seed"])["pos"] for letters in wanted}
    kept = {letters: stored.take(np.flatnonzero(stored.smiles == letters)).pos for letters in wanted}
    own = stored.take(np.arange(len(windows)))
    return largest([own.pos - windows.pos, *(kept[letters] - short[letters] for letters in wanted)])


def largest(differences: Iterable[np.ndarray]) -> float:
    """Largest absolute value of several arrays (atom, 3)."""
    return float(max(np.abs(each).max() for each in differences))


def label_difference(name: str, n_molecules: int = 2, root: Path = DATA) -> float:
    """Largest difference (eV) between the first stored gaps and fresh ones, by every level of theory."""
    settings = json.loads((root / name / "card.json").read_text())["settings"]
    stored = load(root / name / "molecules.h5").take(np.arange(n_molecules))
    fresh = [
        single_points(stored.z[a:b], stored.pos[a:b], settings["levels"], settings["grid"])["gap_eV"]
        for a, b in itertools.pairwise(stored.offsets)
    ]
    return float(np.nanmax(np.abs(stored.molecule["gap_eV"].reshape(n_molecules, -1) - fresh)))


def driven_difference(name: str, n_frames: int = 2, root: Path = DATA) -> float:
    """Largest coordinate difference (Å) between the first frames of each molecule and the same made again."""
    settings = json.loads((root / name / "card.json").read_text())["settings"]
    plan = Plan(**{field.name: settings[field.name] for field in fields(Plan)})
    difference = 0.0
    for key in settings["isomers"]:
        stored = load(root / name / key / "molecules.h5").take(np.arange(n_frames))
        fresh = [record["pos"] for record in itertools.islice(drive(key, 4, settings["seed"], plan), n_frames)]
        difference = max(difference, float(np.abs(stored.pos - np.concatenate(fresh)).max()))
    return difference


def difference(name: str, root: Path = DATA) -> float:
    """Largest difference between the start of a stored set and the same made again: Å, or eV of labels."""
    settings = json.loads((root / name / "card.json").read_text())["settings"]
    roads = {
        "folds": domain_difference,
        "dipeptides": window_difference,
        "levels": label_difference,
        "isomers": driven_difference,
        "heavy": molecule_difference,
    }
    return next((road for key, road in roads.items() if key in settings), trajectory_difference)(name, root=root)

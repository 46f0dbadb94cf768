"""What a data set already holds of a trajectory, so that a longer run goes on from it instead of starting anew."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import mdtraj
import numpy as np

from lib.make.card import versions


@dataclass(frozen=True)
class Stored:
    """Frames (frame, atom, 3) float32 nm, and the engine's state (bytes) right after the last of them."""

    xyz: np.ndarray
    state: bytes


def recipe(settings, seed: int) -> dict:
    """What decides every frame of a trajectory, whatever its length."""
    plain = {name: value for name, value in vars(settings).items() if name != "length_ns"}
    return {**plain, "seed": seed, **versions("openmm")}


def save(folder: Path, number: int, trajectory: mdtraj.Trajectory, state: bytes, settings, seed: int) -> None:
    """Write trajectory-<number>.xtc and engine-<number>.npz; each takes its name when it is whole."""
    partial = folder / f".trajectory-{number}.xtc"
    trajectory.save_xtc(str(partial))
    engine = folder / f".engine-{number}.npz"
    np.savez(
        engine,
        state=np.frombuffer(state, np.uint8),
        frames=len(trajectory),
        recipe=json.dumps(recipe(settings, seed), sort_keys=True),
    )
    os.replace(partial, folder / partial.name[1:])
    os.replace(engine, folder / engine.name[1:])


def load(folder: Path, number: int, settings, seed: int) -> Stored | None:
    """The stored trajectory, or None where it is absent, longer than asked for, or made by another recipe.

    Raises ValueError where the trajectory is not the one that the engine's state belongs to.
    """
    engine, path = folder / f"engine-{number}.npz", folder / f"trajectory-{number}.xtc"
    if not (engine.exists() and path.exists()):
        return None
    with np.load(engine) as file:
        frames, state, made_by = int(file["frames"]), file["state"].tobytes(), str(file["recipe"])
    if made_by != json.dumps(recipe(settings, seed), sort_keys=True):
        return None
    if frames % settings.frames_per_chunk or frames > settings.chunks * settings.frames_per_chunk:
        return None
    xyz = mdtraj.load(str(path), top=str(folder / "topology.pdb")).xyz
    if len(xyz) != frames:
        raise ValueError(f"{path} holds {len(xyz)} frames, expected the {frames} that {engine.name} goes on from")
    return Stored(xyz, state)

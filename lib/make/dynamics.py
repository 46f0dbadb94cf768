"""Molecular dynamics of small peptides in implicit solvent with OpenMM: resumable, one thread a trajectory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mdtraj
import numpy as np
import openmm
from openmm import app, unit

from lib.make.stored import Stored


START = Path(__file__).parent / "start"  # committed: Modeller places hydrogens at random


@dataclass(frozen=True)
class Dynamics:
    """Settings of one simulation. AMBER ff99SB-ILDN with OBC implicit solvent, bonds to hydrogen constrained."""

    system: str  # name of a PDB file in lib/make/start, without suffix
    temperature_K: float
    friction_per_ps: float
    frame_ps: float  # time between stored frames
    length_ns: float
    platform: str = "Reference"  # fastest for 22 atoms; "CPU" is faster from about 60 atoms on
    step_fs: float = 4.0  # possible because hydrogens weigh 3 amu
    chunk_ns: float = 1.0  # a killed run loses this much at the most

    @property
    def frames_per_chunk(self) -> int:
        return round(self.chunk_ns * 1000 / self.frame_ps)

    @property
    def chunks(self) -> int:
        return round(self.length_ns / self.chunk_ns)


def start_structure(system: str) -> app.PDBFile:
    """The committed all-atom start structure; raises FileNotFoundError that lists the known systems."""
    path = START / f"{system}.pdb"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in START.glob("*.pdb")))
        raise FileNotFoundError(f"no start structure for system {system!r}; known systems: {known}")
    return app.PDBFile(str(path))


def as_frame(system: str) -> mdtraj.Trajectory:
    """The start structure as a trajectory of one frame (nm)."""
    return mdtraj.load(str(START / f"{system}.pdb"))


def in_turn(starts: list[str], trajectories: int) -> list[str]:
    """The start structure of each trajectory, taken from `starts` in turn.

    Raises FileNotFoundError for an unknown one, ValueError where two of them are not the same atoms in the same order.
    """
    atoms = {name: [(a.name, a.residue.name) for a in start_structure(name).topology.atoms()] for name in starts}
    for name in starts:
        if atoms[name] != atoms[starts[0]]:
            raise ValueError(f"{name} has not the atoms of {starts[0]} in the same order, expected one molecule")
    return [starts[i % len(starts)] for i in range(trajectories)]


def simulation(settings: Dynamics, seed: int) -> app.Simulation:
    """An energy-minimised simulation with velocities drawn from `seed`, ready to step.

    Both platforms are bitwise repeatable on one machine with one thread. Raises ValueError for a seed below 1: OpenMM
    takes 0 for "another one each time".
    """
    if seed < 1:
        raise ValueError(f"seed is {seed}, expected at least 1: OpenMM draws a new one each time for 0")
    pdb = start_structure(settings.system)
    field = app.ForceField("amber99sbildn.xml", "amber99_obc.xml")  # this pair gives the fast native GBSAOBCForce
    system = field.createSystem(
        pdb.topology, nonbondedMethod=app.NoCutoff, constraints=app.HBonds, hydrogenMass=3 * unit.amu
    )
    integrator = openmm.LangevinMiddleIntegrator(
        settings.temperature_K, settings.friction_per_ps, settings.step_fs * unit.femtoseconds
    )
    integrator.setRandomNumberSeed(seed)
    threads = {"Threads": "1"} if settings.platform == "CPU" else {}
    engine = app.Simulation(
        pdb.topology, system, integrator, openmm.Platform.getPlatformByName(settings.platform), threads
    )
    engine.context.setPositions(pdb.positions)
    engine.minimizeEnergy()
    engine.context.setVelocitiesToTemperature(settings.temperature_K, seed)
    return engine


@contextmanager
def one_core(number: int | None) -> Iterator[None]:
    """Keep this process, and the threads that it starts, on core `number`, counted round those it may use.

    OpenMM's CPU platform computes on a thread of its own even with one thread; where the two lie on different cores
    they wake each other across them at every force, which costs a third of the time for 166 atoms. Nothing for None,
    and where cores cannot be chosen (macOS).
    """
    if number is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(allowed)[number % len(allowed)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def frames(engine: app.Simulation, settings: Dynamics, n_frames: int) -> np.ndarray:
    """Advance by `n_frames` stored frames; positions (frame, atom, 3), float32, nm."""
    steps = round(settings.frame_ps * 1000 / settings.step_fs)
    kept = []
    for _ in range(n_frames):
        engine.step(steps)
        state = engine.context.getState(getPositions=True)
        kept.append(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer).astype(np.float32))
    return np.stack(kept)


def simulate(
    settings: Dynamics, seed: int, scratch: Path, stored: Stored | None = None, core: int | None = None
) -> tuple[mdtraj.Trajectory, bytes]:
    """Run one trajectory to its full length, or go on where a killed run or a `stored` set stopped.

    Returns the trajectory and the engine's state at its end. Each chunk is one file in `scratch` that holds its frames
    and the engine's state, written atomically, so that the resumed trajectory is bitwise the one that an undisturbed
    run gives. core: see `one_core`.
    """
    with one_core(core):
        return advance(settings, seed, scratch, stored)


def advance(settings: Dynamics, seed: int, scratch: Path, stored: Stored | None) -> tuple[mdtraj.Trajectory, bytes]:
    """What `simulate` does, on whatever core."""
    scratch.mkdir(parents=True, exist_ok=True)
    engine = simulation(settings, seed)
    pieces, state = ([stored.xyz], stored.state) if stored else ([], None)
    paths = [scratch / f"chunk-{index:05d}.npz" for index in range(settings.chunks)]
    first = sum(map(len, pieces)) // settings.frames_per_chunk
    missing = next((i for i in range(first, len(paths)) if not paths[i].exists()), len(paths))
    for path in paths[first:missing]:
        with np.load(path) as file:
            pieces.append(file["positions"])
            state = file["state"].tobytes()
    if state is not None:
        engine.context.loadCheckpoint(state)
    for index, path in enumerate(paths[missing:], missing):
        pieces.append(frames(engine, settings, settings.frames_per_chunk))
        state = engine.context.createCheckpoint()
        partial = path.with_suffix(".tmp")
        with partial.open("wb") as file:
            np.savez(file, positions=pieces[-1], state=np.frombuffer(state, np.uint8))
        os.replace(partial, path)
        if index % 10 == 9:
            done = (index + 1) * settings.chunk_ns
            print(f"{settings.system} seed {seed}: {done:g} of {settings.length_ns:g} ns", flush=True)
    xyz = np.concatenate(pieces)
    topology = mdtraj.Topology.from_openmm(start_structure(settings.system).topology)
    return mdtraj.Trajectory(xyz, topology, time=np.arange(1, len(xyz) + 1) * settings.frame_ps), state

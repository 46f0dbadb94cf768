"""Molecular dynamics of one system: topology, atoms, residues and frames, in Å."""

import json
from dataclasses import dataclass
from pathlib import Path

import mdtraj
import numpy as np

from lib.data import layout, systems
from lib.data.clock import TIMED
from lib.data.frames import Frames, select
from lib.data.topology import load_topology
from lib.paths import DATA


@dataclass
class System:
    """One simulated system, as `layout.find` finds it in data/<name>.

    z: (atom,) int64 atomic numbers. residue: (atom,) int64 residue of each atom, from 0, ascending.
    paths: the files of each trajectory, in order. frame_ps: time between stored frames. selection: (atom,) int64, the
    atoms kept, as indices into the topology.
    """

    name: str
    topology: mdtraj.Topology
    paths: list[list[Path]]
    frame_ps: float
    selection: np.ndarray

    @property
    def z(self) -> np.ndarray:
        return np.array([self.topology.atom(i).element.number for i in self.selection])

    @property
    def residue(self) -> np.ndarray:
        kept = np.array([self.topology.atom(i).residue.index for i in self.selection])
        return np.unique(kept, return_inverse=True)[1]

    def stream(self, trajectory: int, stride: int = 1) -> Frames:
        """The selected atoms of one trajectory, block by block."""
        return Frames(self.paths[trajectory], self.topology, self.selection, stride)

    def frames(self, trajectory: int, stride: int = 1) -> mdtraj.Trajectory:
        """All atoms of one trajectory as mdtraj reads it (nm, ps)."""
        stream = self.stream(trajectory, stride)
        frames = stream.trajectory(0, len(stream))
        if stream.paths[0].suffix not in TIMED:
            frames.time = np.arange(len(frames)) * stride * self.frame_ps
        return frames

    def positions(self, trajectory: int, stride: int = 1) -> np.ndarray:
        """(frame, atom, 3) float32 Å of the selected atoms; ValueError for NaN or another unit."""
        stream = self.stream(trajectory, stride)
        return stream.read(0, len(stream))


def load_system(name: str, atoms: str = "all", root: Path = DATA) -> System:
    """A system by name; `atoms` is "all", "heavy" or an mdtraj selection.

    Raises FileNotFoundError where topology or trajectories are missing, ValueError where a trajectory cannot be read,
    holds fewer frames than its card or the registry says (an interrupted copy), or the selection is empty.
    """
    folder = systems.place(name, root)
    found = layout.find(folder)
    topology = load_topology(found.topology)
    selection = select(topology, atoms)
    streams = [Frames(paths, topology, selection) for paths in found.trajectories]
    for stream, expected in zip(streams, frame_counts(folder, len(streams))):
        if expected is not None and len(stream) != expected:
            raise ValueError(f"{stream.paths[0]} holds {len(stream)} frames, expected {expected}: it is truncated")
    return System(name, topology, found.trajectories, stated_interval(folder, found, streams), selection)


def stated_interval(folder: Path, found: layout.Layout, streams: list[Frames]) -> float:
    """Time between stored frames, ps: from the files where their format holds it, else from registry or card."""
    if found.desres:
        return systems.DESRES_FRAME_PS
    if found.trajectories[0][0].suffix in TIMED and len(streams[0]) > 1:
        times = streams[0].trajectory(0, 2).time
        return float(times[1] - times[0])
    known = systems.of_folder(folder.name)
    card = read_card(folder)
    stated = card.get("sizes", {}).get("frame_ps") if card else known.frame_ps if known else None
    if stated is None:
        raise ValueError(
            f"{found.trajectories[0][0]} does not say when its frames were; "
            f'give {folder}/card.json with {{"sizes": {{"frame_ps": ...}}}}'
        )
    return float(stated)


def frame_counts(folder: Path, trajectories: int) -> list[int | None]:
    """Frames that each trajectory should hold by the card, or by the registry; None where neither says.

    Raises ValueError where the number of trajectories is another.
    """
    known, card = systems.of_folder(folder.name), read_card(folder)
    stated = card.get("sizes", {}).get("frames_per_trajectory") if card else known.frames if known else None
    if stated is None or isinstance(stated, int):
        return [stated] * trajectories
    if len(stated) != trajectories:
        raise ValueError(f"{folder} holds {trajectories} trajectories, expected {len(stated)}")
    return list(stated)


def read_card(folder: Path) -> dict | None:
    """The card of a set; None where there is none."""
    card = folder / "card.json"
    return json.loads(card.read_text()) if card.exists() else None

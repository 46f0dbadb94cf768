"""Molecular dynamics of one system: topology, atoms, residues and frames, in Å."""

import json
from dataclasses import dataclass
from pathlib import Path

import mdtraj
import numpy as np

from lib.fields import check_angstrom
from lib.paths import DATA


ANGSTROM_PER_NM = np.float32(10)  # mdtraj counts in nm


@dataclass
class System:
    """One simulated system: data/<name>/topology.pdb and data/<name>/trajectory-<i>.xtc.

    z: (atom,) int64 atomic numbers. residue: (atom,) int64 residue of each atom, from 0, ascending.
    frame_ps: time between stored frames. selection: (atom,) int64, the atoms kept, as indices into the topology.
    """

    name: str
    topology: mdtraj.Topology
    paths: list[Path]
    frame_ps: float
    selection: np.ndarray

    @property
    def z(self) -> np.ndarray:
        return np.array([self.topology.atom(i).element.number for i in self.selection])

    @property
    def residue(self) -> np.ndarray:
        kept = np.array([self.topology.atom(i).residue.index for i in self.selection])
        return np.unique(kept, return_inverse=True)[1]

    def frames(self, trajectory: int, stride: int = 1) -> mdtraj.Trajectory:
        """All atoms of one trajectory as mdtraj reads it (nm)."""
        path = self.paths[trajectory]
        try:
            frames = mdtraj.load(str(path), top=self.topology, stride=stride)
        except (OSError, ValueError, RuntimeError) as error:
            raise ValueError(f"{path} cannot be read as a trajectory of {self.topology}: {error}") from error
        return frames

    def positions(self, trajectory: int, stride: int = 1) -> np.ndarray:
        """(frame, atom, 3) float32 Å of the selected atoms; ValueError for NaN or another unit."""
        xyz = self.frames(trajectory, stride).xyz[:, self.selection] * ANGSTROM_PER_NM
        sample = xyz[:: max(1, len(xyz) // 50)]
        offsets = np.arange(len(sample) + 1) * xyz.shape[1]
        check_angstrom(sample.reshape(-1, 3), offsets, str(self.paths[trajectory]))
        return xyz


def load_system(name: str, atoms: str = "all", root: Path = DATA) -> System:
    """A system by name; `atoms` is "all", "heavy" or an mdtraj selection.

    Raises FileNotFoundError where topology or trajectories are missing, ValueError where a trajectory holds fewer
    frames than its card says (an interrupted copy) or the selection is empty.
    """
    folder = root / name
    if not (folder / "topology.pdb").exists():
        known = ", ".join(sorted(p.parent.name for p in root.glob("*/topology.pdb"))) or "none"
        raise FileNotFoundError(f"{folder}/topology.pdb is missing; `dvc pull data` fetches it (systems here: {known})")
    topology = mdtraj.load(str(folder / "topology.pdb")).topology
    paths = sorted(folder.glob("trajectory-*.xtc"))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no trajectory-*.xtc; `dvc pull data` fetches them")
    lengths, times = [], []
    for path in paths:
        with mdtraj.formats.XTCTrajectoryFile(str(path)) as file:
            lengths.append(len(file))
            times.append(file.read(n_frames=2)[1])
    expected = frame_count(folder)
    for path, length in zip(paths, lengths):
        if expected is not None and length != expected:
            raise ValueError(f"{path} holds {length} frames, expected {expected} by its card: it is truncated")
    words = {"all": "all", "heavy": "element != H"}
    selection = topology.select(words.get(atoms, atoms))
    if len(selection) == 0:
        raise ValueError(f"the selection {atoms!r} matches no atom of {name}")
    frame_ps = float(times[0][1] - times[0][0])
    return System(name, topology, paths, frame_ps, selection)


def frame_count(folder: Path) -> int | None:
    """Frames in each trajectory by the card of the set; None where there is no card."""
    card = folder / "card.json"
    return json.loads(card.read_text())["sizes"]["frames_per_trajectory"] if card.exists() else None

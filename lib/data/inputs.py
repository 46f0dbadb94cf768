"""A user's own files: find them, and say in one sentence what is wrong with them before anything is computed."""

import glob
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.data.clock import frame_interval, join
from lib.data.frames import Frames
from lib.models.config import EMBEDDING_ROWS
from lib.paths import ROOT


LONGEST_BOND = 3.0  # Å: the longest covalent bonds of biomolecules, S-S and metals, are shorter
SAMPLED = 3  # frames of each trajectory whose bonds are measured


@dataclass(frozen=True)
class Inputs:
    """Trajectories that belong together, checked.

    frame_ps: time between two frames of the files; name: for messages; both as `features.lag_in_frames` wants them.
    notes: sentences that the user should read.
    """

    name: str
    frames: list[Frames]
    frame_ps: float
    notes: list[str]

    @property
    def lengths(self) -> list[int]:
        """Frames kept of each trajectory."""
        return [len(f) for f in self.frames]


def find(patterns: str | list[str], what: str) -> list[Path]:
    """Files by path or wildcard, sorted within a wildcard; from the working directory, else the repository root.

    Raises FileNotFoundError for a pattern that matches nothing and ValueError for a file that comes twice, which would
    stand in the training and in the test set.
    """
    patterns = [patterns] if isinstance(patterns, str | Path) else list(patterns)
    if not patterns:
        raise ValueError(f"the list of {what} is empty, expected at least one path or wildcard")
    paths = []
    for pattern in patterns:
        for place in (Path.cwd(), ROOT):
            if found := sorted(glob.glob(str(place / Path(pattern).expanduser()), recursive=True)):
                break
        else:
            raise FileNotFoundError(f"{what}: nothing matches {str(pattern)!r}, neither in {Path.cwd()} nor in {ROOT}")
        paths += map(Path, found)
    twice = sorted({p.name for p in paths if [q.resolve() for q in paths].count(p.resolve()) > 1})
    if twice:
        raise ValueError(f"{what}: {join(twice)} comes twice, expected each file once")
    return paths


def check(frames: list[Frames], frame_ps: float = 0.0) -> Inputs:
    """Trajectories of one topology with a known time between their frames; raises ValueError for what is wrong.

    frame_ps: time between the frames of the files, ps; 0 to ask the files.
    """
    check_elements(frames[0])
    for each in frames:
        check_bonds(each)
    interval, notes = frame_interval([f.path for f in frames], frames[0].topology, frame_ps)
    water = {r.index for r in frames[0].topology.residues if r.is_water}
    kept = {frames[0].topology.atom(i).residue.index for i in frames[0].selection} & water
    if kept:
        notes.append(f"The selection holds {len(kept)} water molecules; 'protein' or 'not water' leaves them out.")
    return Inputs(frames[0].path.stem, frames, interval, notes)


def check_elements(frames: Frames) -> None:
    """Raise ValueError for a selected atom without an element that an encoder may know."""
    atoms = [frames.topology.atom(i) for i in frames.selection]
    unknown = [str(a) for a in atoms if a.element is None or not 0 < a.element.number < EMBEDDING_ROWS]
    if unknown:
        raise ValueError(
            f"the topology gives no element for {join(unknown)}, expected one for each selected atom: add the element "
            "column to the PDB file, or leave these atoms out by the selection"
        )


def check_bonds(frames: Frames) -> None:
    """Raise ValueError for a bond of the topology that no molecule can have in a few frames of a trajectory."""
    place = {int(atom): row for row, atom in enumerate(frames.selection)}
    bonds = [(a.index, b.index) for a, b in frames.topology.bonds if a.index in place and b.index in place]
    if not bonds:
        return
    first, second = np.array([[place[a], place[b]] for a, b in bonds]).T
    for frame in sorted({int(x) for x in np.linspace(0, len(frames) - 1, SAMPLED)}):
        pos = frames.read(frame, frame + 1)[0]
        length = np.linalg.norm(pos[first] - pos[second], axis=1)
        worst = int(length.argmax())
        if length[worst] > LONGEST_BOND:
            a, b = (frames.topology.atom(i) for i in bonds[worst])
            raise ValueError(
                f"{frames.path}: the bond {a} to {b} is {length[worst]:.1f} Å long in frame {frame * frames.stride}, "
                f"expected at most {LONGEST_BOND:g} Å: the topology is another one, or the molecule is cut by the "
                "periodic box and has to be made whole first"
            )


def at_least(least: int, **counts: int) -> None:
    """Raise ValueError for a parameter, given by its name, that is below `least` or no whole number."""
    for name, value in counts.items():
        if int(value) != value or value < least:
            raise ValueError(f"{name} is {value}, expected a whole number of at least {least}")

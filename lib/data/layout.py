"""Which files of a folder make up a system: one topology, and for each trajectory its parts in the order of time."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

from lib.data import dcd, systems
from lib.data.frames import STREAMED


PART = re.compile(r"(.+)-(\d{3,})\.dcd")  # of D. E. Shaw Research: <run>-000.dcd, <run>-001.dcd, ...
UNFINISHED = (".tmp", ".part")


@dataclass(frozen=True)
class Layout:
    """topology: a file. trajectories: the parts of each, in order. desres: headers give no usable time."""

    topology: Path
    trajectories: list[list[Path]]
    desres: bool = False


def find(folder: Path) -> Layout:
    """The system in a folder.

    Either topology.{pdb,mae,...} with trajectory-*.{xtc,dcd,...}, one file a trajectory; or, at any depth, the unpacked
    archives of D. E. Shaw Research: <run>-000.dcd and so on beside a .pdb or .mae file, the parts of a run being one
    trajectory. Raises FileNotFoundError that says how to get what is missing, ValueError for what is not whole.
    """
    topology = sorted(p for p in folder.glob("topology.*") if p.suffix not in UNFINISHED)
    single = sorted((p for p in folder.glob("trajectory-*") if p.suffix in STREAMED), key=_numbers)
    runs = {} if single else _runs(folder)
    if runs and not topology:
        topology = _beside(next(iter(runs.values()))[0])
    if not topology:
        raise FileNotFoundError(f"{folder}/topology.pdb is missing; {_how(folder)}")
    if len(topology) > 1:
        raise ValueError(f"{folder} holds {' and '.join(p.name for p in topology)}, expected one topology")
    if not single and not runs:
        raise FileNotFoundError(f"{folder} holds no trajectory-*.xtc; {_how(folder)}")
    if len(formats := {p.suffix for p in single}) > 1:
        raise ValueError(f"{folder} holds trajectories as {' and '.join(sorted(formats))}, expected one format")
    if formats == {".dcd"}:
        for path in single:
            dcd.whole_frames(path)
    if not runs:
        return Layout(topology[0], [[path] for path in single])
    _check_runs(folder, runs)
    return Layout(topology[0], [list(parts) for parts in runs.values()], desres=True)


def _runs(folder: Path) -> dict[Path, list[Path]]:
    """The parts of each run below a folder, by number; runs by name."""
    matched = [(path, PART.fullmatch(path.name)) for path in folder.rglob("*.dcd")]
    parts = sorted((p.parent / m[1], int(m[2]), p) for p, m in matched if m)
    return {run: [part[2] for part in group] for run, group in itertools.groupby(parts, key=lambda part: part[0])}


def _beside(part: Path) -> list[Path]:
    """The topology beside a part: a PDB file converted by the user, or the Maestro file of the archive."""
    run = PART.fullmatch(part.name)[1]
    for suffix in (".pdb", ".mae"):
        found = sorted(part.parent.glob(f"*{suffix}"))
        if found:
            return [path for path in found if path.stem == run] or found
    return []


def _check_runs(folder: Path, runs: dict[Path, list[Path]]) -> None:
    """Raise by name for a part that is missing or cut: the frames around a gap are no neighbours in time."""
    known = systems.of_folder(folder.name)
    for archive in known.archives if known else ():
        name = archive.removeprefix("DESRES-Trajectory_")
        if not any(run.name == name for run in runs):
            raise FileNotFoundError(f"{folder} lacks the run {name}; {known.how}")
    for run, parts in runs.items():
        numbers = [int(PART.fullmatch(path.name)[2]) for path in parts]
        wanted = max(known.parts or 0, numbers[-1] + 1) if known else numbers[-1] + 1
        if lost := sorted(set(range(wanted)) - set(numbers)):
            raise ValueError(f"{run}-{lost[0]:03d}.dcd is missing, expected parts 000 to {wanted - 1:03d}")
        lengths = [dcd.whole_frames(path) for path in parts]
        for path, length in zip(parts[:-1], lengths):
            if length != lengths[0]:
                raise ValueError(
                    f"{path} holds {length} frames, expected {lengths[0]} as in {parts[0].name}: it is cut"
                )


def _numbers(path: Path) -> tuple:
    """So that trajectory-2 comes before trajectory-10."""
    return tuple(int(word) if word.isdigit() else word for word in re.split(r"(\d+)", path.name))


def _how(folder: Path) -> str:
    here = sorted(p.parent.name for p in folder.parent.glob("*/topology.*"))
    known = systems.of_folder(folder.name)
    how = known.how if known else "`dvc pull data` fetches it"
    return f"{how} (systems here: {', '.join(here) or 'none'})"

"""The time between two frames: from the file where it keeps a clock, else from the user, never from a guess."""

import struct
from pathlib import Path

import mdtraj
import numpy as np


TIMED = (".xtc", ".trr", ".nc", ".ncdf", ".netcdf", ".h5", ".hdf5")  # formats that store the time of each frame
LOOKED_AT = 50  # frames at the start whose spacing is compared
RELATIVE = 1e-3  # by which two intervals may differ and still be the same
AKMA_PS = 0.0488882  # unit of time in a DCD header


def file_interval(path: Path, topology: mdtraj.Topology) -> float | None:
    """Time between the frames of one file, ps; None where it does not store times.

    Raises ValueError for frames that are not evenly spaced: each lag would then mean several times at once.
    """
    path = Path(path)
    if path.suffix not in TIMED:
        return None
    own = [] if path.suffix in (".h5", ".hdf5") else [topology]
    with mdtraj.open(str(path)) as file:
        length = len(file)
        times = file.read_as_traj(*own, n_frames=min(LOOKED_AT, length)).time.astype(float)
        file.seek(length - 1)
        last = float(file.read_as_traj(*own, n_frames=1).time[0])
    if len(times) < 2 or times[1] == times[0]:
        return None
    steps = np.diff(times)
    step = float(np.median(steps))
    rounding = RELATIVE * abs(step) + 4 * np.finfo(np.float32).eps * max(abs(last), *np.abs(times))
    if step <= 0 or (np.abs(steps - step) > rounding).any():
        raise ValueError(f"{path}: times step by {steps.min():g} to {steps.max():g} ps, expected one interval")
    if abs(last - times[0] - step * (length - 1)) > 0.5 * step + rounding:
        raise ValueError(
            f"{path}: {length} frames {step:g} ps apart span {last - times[0]:g} ps by their times, expected "
            f"{step * (length - 1):g} ps: frames are missing or doubled; cut the file there"
        )
    # float32 times that do not start at 0 are rounded: the whole span says it best
    return float(f"{(last - times[0]) / (length - 1):.6g}")


def frame_interval(paths: list[Path], topology: mdtraj.Topology, given: float = 0.0) -> tuple[float, list[str]]:
    """Time between the frames of all files, ps, and what the user should know about it.

    given: what the user says, ps, which counts; 0 to ask the files. Raises ValueError where nobody knows it, or files
    differ and the user says nothing.
    """
    if given < 0:
        raise ValueError(f"frame_ps is {given:g}, expected the time between two frames in ps, or 0 to ask the files")
    found = {path: file_interval(path, topology) for path in paths}
    known = {path: step for path, step in found.items() if step is not None}
    if given:
        other = [f"{path.name} says {step:g} ps" for path, step in known.items() if differs(step, given)]
        return given, [f"frame_ps = {given:g} ps is used, but {join(other)}: one of them is wrong."] if other else []
    if len(known) < len(found):
        path = next(path for path, step in found.items() if step is None)
        header = dcd_header(path)
        said = f"; its header says {header:.4g} ps, which programs often leave at any value" if header else ""
        raise ValueError(
            f"{path} does not say how far apart its frames are{said}; give frame_ps, the time between two frames in ps"
        )
    first, step = next(iter(known.items()))
    for path, other in known.items():
        if differs(other, step):
            raise ValueError(
                f"frames lie {step:g} ps apart in {first.name} and {other:g} ps in {path.name}, expected one interval: "
                "thin out the finer one, or give frame_ps if a file is wrong"
            )
    index = [path.name for path in known if step == 1.0 and path.suffix in TIMED]
    note = f"{join(index)}: times count 1 ps a frame, as a program writes that knows no time; if so, give frame_ps."
    return step, [note] if index else []


def differs(a: float, b: float) -> bool:
    """Whether two intervals are not the same."""
    return abs(a - b) > RELATIVE * max(a, b)


def join(words: list[str], most: int = 3) -> str:
    """A few words of a list."""
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def dcd_header(path: Path) -> float | None:
    """What the header of a DCD file gives as the time between frames, ps, for a message only."""
    with path.open("rb") as file:
        head = file.read(92)
    if path.suffix != ".dcd" or len(head) < 92 or head[4:8] != b"CORD":
        return None
    order = "<" if struct.unpack("<i", head[:4])[0] == 84 else ">"
    every = struct.unpack(f"{order}i", head[16:20])[0]
    charmm = struct.unpack(f"{order}i", head[84:88])[0] != 0
    step = struct.unpack(f"{order}{'f' if charmm else 'd'}", head[44 : 48 if charmm else 52])[0]
    return every * step * AKMA_PS

"""Frames of one trajectory, in one file or several, block by block, in Å: the memory does not grow with the files."""

from collections.abc import Sequence
from pathlib import Path

import mdtraj
import numpy as np

from lib.fields import check_angstrom


ANGSTROM_PER_NM = np.float32(10)  # mdtraj counts in nm
STREAMED = (".xtc", ".trr", ".dcd", ".nc", ".ncdf", ".netcdf", ".xyz", ".h5", ".hdf5")  # mdtraj can seek in these
OWN_TOPOLOGY = (".h5", ".hdf5")
CHECKED = 50  # frames of a block whose distances are looked at


def select(topology: mdtraj.Topology, words: str) -> np.ndarray:
    """(atom,) int indices of "all", "heavy" or atoms in mdtraj's language; ValueError where there are none."""
    try:
        found = topology.select({"heavy": "element != H"}.get(words, words))
    except Exception as error:  # whatever the parser of the day raises
        raise ValueError(f"the selection {words!r} is not in mdtraj's language: {error}") from error
    if len(found) == 0:
        raise ValueError(f"the selection {words!r} matches no atom of {topology}")
    return found


class Frames:
    """Every `stride`-th frame of one trajectory, of the selected atoms; any format that mdtraj reads.

    paths: one file, or the parts of the trajectory in the order of time; the stride runs on from part to part.
    topology: of all atoms in the files. selection: (atom,) int, the atoms kept. A format in which mdtraj cannot seek
    (.pdb, .gro, ...) is loaded as a whole. Raises FileNotFoundError for a missing file and ValueError for one that
    cannot be read or does not hold the atoms of the topology.
    """

    def __init__(self, paths: Path | Sequence[Path], topology: mdtraj.Topology, selection: np.ndarray, stride: int = 1):
        self.paths = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
        self.topology, self.selection, self.stride = topology, np.asarray(selection), stride
        self._opened, self._whole = (None, None), {}
        if stride < 1:
            raise ValueError(f"stride is {stride}, expected at least 1 frame")
        self._starts = np.concatenate([[0], np.cumsum([self._count(path) for path in self.paths])])

    @property
    def path(self) -> Path:
        """The first file, which names the trajectory."""
        return self.paths[0]

    def __len__(self) -> int:
        return -(-int(self._starts[-1]) // self.stride)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Positions (stop - start, atom, 3) float32 Å; ValueError for a damaged file, NaN or another unit."""
        if start == stop:
            return np.empty((0, len(self.selection), 3), np.float32)
        pos = np.concatenate([part.xyz[:, self.selection] for part in self._parts(start, stop)]) * ANGSTROM_PER_NM
        finite = np.isfinite(pos).all((1, 2))
        if not finite.all():
            path, frame = self._place(start + int(finite.argmin()))
            raise ValueError(f"{path}: frame {frame} holds NaN or infinity, expected positions in Å")
        sample = pos[:: -(-len(pos) // CHECKED)]
        path, _ = self._place(start)
        check_angstrom(sample.reshape(-1, 3), np.arange(len(sample) + 1) * pos.shape[1], str(path))
        return pos

    def trajectory(self, start: int, stop: int) -> mdtraj.Trajectory:
        """All atoms of the frames from `start` to before `stop` as mdtraj reads them (nm)."""
        parts = self._parts(start, stop)
        return parts[0] if len(parts) == 1 else mdtraj.join(parts, check_topology=False)

    def _parts(self, start: int, stop: int) -> list[mdtraj.Trajectory]:
        """The frames from `start` to before `stop`, one piece a file."""
        first, last = start * self.stride, (stop - 1) * self.stride
        pieces = []
        for path, begin, end in zip(self.paths, self._starts, self._starts[1:]):
            kept = -(-int(begin) // self.stride) * self.stride  # the first frame of this file that is one of every n-th
            inside = range(max(first, kept), min(last + 1, int(end)), self.stride)
            if not inside:
                continue
            piece = self._attempt(path, self._read, path, inside.start - int(begin), len(inside))
            if len(piece) != len(inside):
                lost = inside[len(piece)] - int(begin)
                raise ValueError(f"{path} ends at frame {lost}, expected {int(end - begin)}: it is damaged")
            pieces.append(piece)
        return pieces

    def _read(self, path: Path, start: int, count: int) -> mdtraj.Trajectory:
        if path in self._whole:
            return self._whole[path][start :: self.stride][:count]
        if self._opened[0] != path:
            self._opened = (path, mdtraj.open(str(path)))
        file = self._opened[1]
        file.seek(start)
        # mdtraj's atom_indices together with a stride corrupt the memory in some formats (its issue 1394)
        if path.suffix in OWN_TOPOLOGY:  # there n_frames counts before the stride, elsewhere after it
            return file.read_as_traj(n_frames=count * self.stride, stride=self.stride)
        return file.read_as_traj(self.topology, n_frames=count, stride=self.stride)

    def _count(self, path: Path) -> int:
        """Frames in one file, after a look at the first."""
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing, expected a trajectory")
        if path.suffix in STREAMED:
            found = self._attempt(path, mdtraj.load_frame, str(path), 0, self.topology)
            count = self._attempt(path, self._length, path)
        else:
            found = self._whole[path] = self._attempt(path, lambda: mdtraj.load(str(path), top=self.topology))
            count = len(found)
        if found.n_atoms != self.topology.n_atoms:
            raise ValueError(f"{path} holds {found.n_atoms} atoms, expected the topology's {self.topology.n_atoms}")
        if count == 0:
            raise ValueError(f"{path} holds no frame, expected at least one")
        return count

    def _length(self, path: Path) -> int:
        with mdtraj.open(str(path)) as file:
            return len(file)

    def _place(self, index: int) -> tuple[Path, int]:
        """File, and number in the file, of one kept frame."""
        frame = index * self.stride
        part = min(int(np.searchsorted(self._starts, frame, "right")) - 1, len(self.paths) - 1)
        return self.paths[part], frame - int(self._starts[part])

    def _attempt(self, path: Path, action, *arguments):
        try:
            return action(*arguments)
        except (
            OSError,
            ValueError,
            TypeError,
            RuntimeError,
            LookupError,
            ImportError,
            EOFError,
            AssertionError,
        ) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(
                f"{path} cannot be read as a trajectory of {self.topology.n_atoms} atoms: {reason[:200]}"
            ) from error

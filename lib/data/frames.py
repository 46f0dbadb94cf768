"""Frames of a trajectory file, block by block, in Å: the memory does not grow with the file."""

from pathlib import Path

import mdtraj
import numpy as np

from lib.data.trajectories import ANGSTROM_PER_NM
from lib.fields import check_angstrom


STREAMED = (".xtc", ".trr", ".dcd", ".nc", ".ncdf", ".netcdf", ".xyz", ".h5", ".hdf5")  # mdtraj can seek in these
OWN_TOPOLOGY = (".h5", ".hdf5")
CHECKED = 5  # frames of a block whose distances are looked at


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
    """Every `stride`-th frame of one file, of the selected atoms; any format that mdtraj reads.

    topology: of all atoms in the file. selection: (atom,) int, the atoms kept. A format in which mdtraj cannot seek
    (.pdb, .gro, ...) is loaded as a whole. Raises FileNotFoundError for a missing file and ValueError for one that
    cannot be read or does not hold the atoms of the topology.
    """

    def __init__(self, path: Path, topology: mdtraj.Topology, selection: np.ndarray, stride: int = 1):
        self.path, self.topology, self.selection, self.stride = Path(path), topology, np.asarray(selection), stride
        if not self.path.exists():
            raise FileNotFoundError(f"{path} is missing, expected a trajectory")
        if stride < 1:
            raise ValueError(f"stride is {stride}, expected at least 1 frame")
        self.streamed = self.path.suffix in STREAMED
        self._file = self._attempt(lambda: mdtraj.open(str(path))) if self.streamed else None
        look = mdtraj.load_frame if self.streamed else mdtraj.load
        found = self._attempt(lambda: look(str(path), *([0] if self.streamed else []), top=topology))
        if found.n_atoms != topology.n_atoms:
            raise ValueError(f"{path} holds {found.n_atoms} atoms, expected the topology's {topology.n_atoms}")
        self._whole = None if self.streamed else found.xyz[::stride, self.selection]
        self._length = -(-len(self._file) // stride) if self.streamed else len(self._whole)
        if self._length == 0:
            raise ValueError(f"{path} holds no frame, expected at least one")

    def __len__(self) -> int:
        return self._length

    def read(self, start: int, stop: int) -> np.ndarray:
        """Positions (stop - start, atom, 3) float32 Å; ValueError for a damaged file, NaN or another unit."""
        if start == stop:
            return np.empty((0, len(self.selection), 3), np.float32)
        pos = self._attempt(lambda: self._read(start, stop)) * ANGSTROM_PER_NM
        if len(pos) != stop - start:
            raise ValueError(f"{self.path} ends at frame {start + len(pos)}, expected {len(self)}: it is damaged")
        finite = np.isfinite(pos).all((1, 2))
        if not finite.all():
            frame = (start + int(finite.argmin())) * self.stride
            raise ValueError(f"{self.path}: frame {frame} holds NaN or infinity, expected positions in Å")
        sample = pos[:: -(-len(pos) // CHECKED)]
        check_angstrom(sample.reshape(-1, 3), np.arange(len(sample) + 1) * pos.shape[1], str(self.path))
        return pos

    def _read(self, start: int, stop: int) -> np.ndarray:
        if not self.streamed:
            return self._whole[start:stop]
        self._file.seek(start * self.stride)
        # mdtraj's atom_indices together with a stride corrupt the memory in some formats (its issue 1394)
        if self.path.suffix in OWN_TOPOLOGY:  # there n_frames counts before the stride, elsewhere after it
            frames = self._file.read_as_traj(n_frames=(stop - start) * self.stride, stride=self.stride)
        else:
            frames = self._file.read_as_traj(self.topology, n_frames=stop - start, stride=self.stride)
        return frames.xyz[:, self.selection]

    def _attempt(self, action):
        try:
            return action()
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
                f"{self.path} cannot be read as a trajectory of {self.topology.n_atoms} atoms: {reason[:200]}"
            ) from error

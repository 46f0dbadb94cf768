"""How often a peptide folds and unfolds: has a trajectory seen what its features are asked about?"""

import mdtraj
import numpy as np


FOLDED_A, UNFOLDED_A = 1.5, 4.0  # Cα RMSD to the folded structure: below one, above the other; between, as before


def ca_rmsd(frames: mdtraj.Trajectory, folded: mdtraj.Trajectory) -> np.ndarray:
    """(frame,) float32 Å, Cα RMSD to the one frame of `folded` after superposition."""
    atoms = frames.topology.select("name CA")
    return 10 * mdtraj.rmsd(frames, folded, atom_indices=atoms, ref_atom_indices=folded.topology.select("name CA"))


def passages(rmsd: np.ndarray) -> tuple[int, int]:
    """Number of foldings and of unfoldings in rmsd (frame,), Å; a frame between the thresholds changes nothing."""
    state = np.where(rmsd < FOLDED_A, 1, np.where(rmsd > UNFOLDED_A, -1, 0))
    change = np.diff(state[state != 0])
    return int(np.count_nonzero(change > 0)), int(np.count_nonzero(change < 0))

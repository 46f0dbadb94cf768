"""What a VAMPnet is fed with: distances, torsions, or the tokens of a frozen encoder, (frame, d) float32 each."""

from itertools import combinations

import mdtraj
import numpy as np

from lib.data.torsions import backbone
from lib.data.trajectories import System


def pair_distances(pos: np.ndarray, z: np.ndarray) -> np.ndarray:
    """(frame, pair) Å distances between all heavy atoms, from pos (frame, atom, 3) Å and z (atom,).

    The inputs of the baseline VAMPnet (Mardt et al. 2018, P1's comparison). Raises ValueError for fewer than two
    heavy atoms.
    """
    heavy = np.flatnonzero(z > 1)
    if len(heavy) < 2:
        raise ValueError(f"{len(heavy)} heavy atoms in a selection of {len(z)} atoms, expected at least 2")
    first, second = np.array(list(combinations(heavy, 2))).T
    return np.linalg.norm(pos[:, first] - pos[:, second], axis=-1).astype(np.float32)


def torsion_features(frames: mdtraj.Trajectory) -> np.ndarray:
    """(frame, 4 residues) sines and cosines of the backbone phi and psi: what an expert would choose for ala2."""
    angles = np.concatenate(backbone(frames), axis=1)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def token_invariants(tokens: np.ndarray) -> np.ndarray:
    """(frame, residue 2H) rotation-invariant read-out of tokens (frame, residue, 4, H): scalars and vector norms."""
    if tokens.ndim != 4 or tokens.shape[2] != 4:
        raise ValueError(f"tokens have the shape {tokens.shape}, expected (frame, residue, 4, H)")
    norms = np.linalg.norm(tokens[:, :, 1:], axis=2)
    return np.concatenate([tokens[:, :, 0], norms], axis=-1).reshape(len(tokens), -1).astype(np.float32)


def lag_in_frames(lag_ps: float, system: System, stride: int = 1) -> int:
    """A lag in frames of every `stride`-th frame; ValueError unless it is a whole number of them."""
    lag = lag_ps / (system.frame_ps * stride)
    if round(lag) < 1 or abs(lag - round(lag)) > 1e-6:
        raise ValueError(
            f"lag {lag_ps:g} ps is {lag:g} frames of {system.name}, expected a whole number: "
            f"frames are stored every {system.frame_ps:g} ps and the stride is {stride}"
        )
    return round(lag)

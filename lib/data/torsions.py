"""Backbone torsions, and how often phi crosses between its two cores: has a trajectory seen the slow process?"""

import mdtraj
import numpy as np


CORES_PHI_DEG = ((-160.0, -40.0), (30.0, 90.0))  # beta/alpha_R and alpha_L, well inside the basins


def backbone(frames: mdtraj.Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """phi (frame, n) and psi (frame, n) in radians, of the residues that have each.

    Column for column they are of one residue only in a capped chain: without caps the first residue has no phi and the
    last no psi (`lib.show.ramachandran.planes` pairs them).
    """
    return mdtraj.compute_phi(frames)[1], mdtraj.compute_psi(frames)[1]


def core_of(phi: np.ndarray) -> np.ndarray:
    """(frame,) index of the core that each frame is in, or last was in; -1 before the first visit. phi in radians."""
    degrees = np.degrees(phi)
    core = np.full(len(phi), -1)
    for index, (low, high) in enumerate(CORES_PHI_DEG):
        core[(degrees > low) & (degrees < high)] = index
    latest = np.maximum.accumulate(np.where(core >= 0, np.arange(len(core)), -1))
    return np.where(latest >= 0, core[latest], -1)


def core_transitions(phi: np.ndarray) -> int:
    """Number of passages of phi (frame,), radians, from one core to the other; recrossings do not count."""
    core = core_of(phi)
    core = core[core >= 0]
    return int(np.count_nonzero(np.diff(core)))

"""Ramachandran plots coloured by states, of the residue that tells the states apart."""

import mdtraj
import numpy as np
from matplotlib.axes import Axes


TICKS = [-180, -90, 0, 90, 180]


def planes(frames: mdtraj.Trajectory) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names such as LEU2, and phi and psi (frame, residue) in radians, of the residues that have both."""
    residue = [atom.residue for atom in frames.topology.atoms]
    (own, phi), (their, psi) = mdtraj.compute_phi(frames), mdtraj.compute_psi(frames)
    of_phi, of_psi = ([residue[quartet[1]] for quartet in quartets] for quartets in (own, their))
    both = [found for found in of_phi if found in of_psi]
    pick = lambda of, angles: angles[:, [of.index(found) for found in both]]  # noqa: E731
    return [str(found) for found in both], pick(of_phi, phi), pick(of_psi, psi)


def telling_residue(phi: np.ndarray, psi: np.ndarray, states: np.ndarray) -> int:
    """The residue whose torsions (frame, residue), radians, tell the states (frame,) apart best.

    Best is the largest share of the variance of sine and cosine of both that lies between the states. Each state counts
    alike, however few its frames; frames of state -1 have no say.
    """
    circle = np.stack([np.sin(phi), np.cos(phi), np.sin(psi), np.cos(psi)])  # (4, frame, residue)
    own = [circle[:, states == state] for state in np.unique(states[states >= 0])]
    centres = np.stack([x.mean(1) for x in own])  # (state, 4, residue)
    within = np.mean([x.var(1).sum(0) for x in own], axis=0)
    between = centres.var(0).sum(0)
    return int(np.argmax(between / (between + within)))


def ramachandran(axes: Axes, phi: np.ndarray, psi: np.ndarray, states: np.ndarray, title: str) -> None:
    """Backbone torsions phi, psi (frame,) in radians, coloured by the state (frame,) of each frame; -1 is grey.

    Rare states lie on top of populated ones. The legend says how many of the frames each state holds.
    """
    names, counts = np.unique(states, return_counts=True)
    for state in names[np.argsort(-counts, kind="stable")]:
        of = states == state
        color, label = ("lightgrey", "not connected") if state < 0 else (f"C{state}", f"state {state + 1}")
        label = f"{label}, {of.mean():.1%}"
        axes.plot(np.degrees(phi[of]), np.degrees(psi[of]), ".", ms=1.5, alpha=0.4, color=color, label=label)
    axes.set(title=title, xlabel="φ (°)", ylabel="ψ (°)", xlim=(-180, 180), ylim=(-180, 180), aspect="equal")
    axes.set_xticks(TICKS)
    axes.set_yticks(TICKS)
    axes.legend(fontsize="x-small", markerscale=6)

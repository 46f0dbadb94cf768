"""The Ramachandran plot, and which residue it shows."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from lib.make.dynamics import as_frame
from lib.show.ramachandran import planes, ramachandran, telling_residue


def test_ramachandran_is_in_degrees_and_names_the_states():
    _, axes = plt.subplots()
    ramachandran(axes, np.array([np.pi / 2, -np.pi / 2]), np.zeros(2), np.array([-1, 1]), "t")
    assert {line.get_label(): list(line.get_xdata()) for line in axes.lines} == {
        "not connected, 50.0%": [90],
        "state 2, 50.0%": [-90],
    }


def test_rare_states_lie_on_top():
    _, axes = plt.subplots()
    states = np.repeat([0, 1, 2], [10, 70, 20])
    ramachandran(axes, np.zeros(100), np.zeros(100), states, "t")
    assert [line.get_label() for line in axes.lines] == ["state 2, 70.0%", "state 3, 20.0%", "state 1, 10.0%"]
    plt.close()


def test_the_residue_that_tells_a_rare_state_is_found():
    """Residue 1 flips phi in a state of 2 % of the frames; residue 0 is broad, residue 2 is always the same."""
    random = np.random.default_rng(0)
    states = (np.arange(1000) < 20).astype(int)
    phi = np.stack([random.uniform(-3, 3, 1000), np.where(states, 1.0, -1.5), np.full(1000, -1.0)], 1)
    phi += random.normal(0, 0.1, phi.shape)
    psi = np.full_like(phi, 2.5)
    assert telling_residue(phi, psi, states) == 1
    states[500:] = -1
    assert telling_residue(phi, psi, states) == 1


def test_phi_and_psi_are_those_of_one_residue():
    """Of a chain without caps the first residue has no phi and the last no psi."""
    names, phi, psi = planes(frame := as_frame("pentapeptide"))
    assert names == ["LEU2", "ALA3", "LEU4"]
    place = {(a.residue.resSeq, a.name): frame.xyz[0, a.index] for a in frame.topology.atoms}

    def torsion(*atoms):
        a, b, c, d = (place[atom] for atom in atoms)
        first, axis, last = b - a, c - b, d - c
        left, right = np.cross(first, axis), np.cross(axis, last)
        return np.arctan2(np.dot(first, right) * np.linalg.norm(axis), np.dot(left, right))

    for k, i in enumerate((2, 3, 4)):
        assert phi[0, k] == pytest.approx(torsion((i - 1, "C"), (i, "N"), (i, "CA"), (i, "C")), abs=1e-4)
        assert psi[0, k] == pytest.approx(torsion((i, "N"), (i, "CA"), (i, "C"), (i + 1, "N")), abs=1e-4)

import mdtraj
import numpy as np
import pytest

from lib.data.folding import ca_rmsd, passages
from lib.make.dynamics import START


def test_passages_count_crossings_of_both_thresholds():
    assert passages(np.array([1.0, 2.0, 3.9, 1.4, 2.0, 5.0, 3.0, 4.5, 1.6, 1.0, 9.0])) == (1, 2)
    assert passages(np.array([2.0, 3.0, 2.0])) == (0, 0)
    assert passages(np.array([5.0, 1.0])) == (1, 0)


def test_ca_rmsd_does_not_see_a_rigid_motion():
    folded = mdtraj.load(str(START / "chignolin.pdb"))
    moved = mdtraj.join([folded, folded])
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    moved.xyz[1] = moved.xyz[1] @ rotation.T + 3
    assert ca_rmsd(moved, folded) == pytest.approx([0, 0], abs=0.02)
    extended = mdtraj.load(str(START / "chignolin-extended.pdb"))
    assert ca_rmsd(extended, folded)[0] > 6

import mdtraj
import numpy as np
import pytest

from lib.data.trajectories import System
from lib.dynamics.features import lag_in_frames, pair_distances, token_invariants, torsion_features
from lib.dynamics.vampnet import Settings, fit


def test_pair_distances_skip_hydrogens():
    pos = np.array([[[0, 0, 0], [9, 9, 9], [3, 4, 0], [0, 0, 2]]], np.float32)
    found = pair_distances(pos, np.array([6, 1, 7, 8]))
    np.testing.assert_allclose(found, [[5, 2, np.sqrt(29)]], rtol=1e-6)
    assert found.dtype == np.float32
    with pytest.raises(ValueError, match="1 heavy atoms in a selection of 2"):
        pair_distances(pos[:, :2], np.array([6, 1]))


def test_token_invariants_do_not_see_a_rotation_but_do_see_scalars_and_lengths():
    rng = np.random.default_rng(0)
    tokens = rng.standard_normal((5, 3, 4, 8)).astype(np.float32)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    turned = tokens.copy()
    turned[:, :, 1:] = np.einsum("ij,frjh->frih", rotation, tokens[:, :, 1:])
    np.testing.assert_allclose(token_invariants(turned), token_invariants(tokens), atol=1e-5)
    assert token_invariants(tokens).shape == (5, 3 * 16)
    np.testing.assert_allclose(token_invariants(2 * tokens), 2 * token_invariants(tokens), rtol=1e-5)
    with pytest.raises(ValueError, match=r"expected .frame, residue, 4, H"):
        token_invariants(tokens[:, :, :3])


@pytest.mark.parametrize(("lag", "stride", "frames"), [(10.0, 1, 2), (10.0, 2, 1), (100.0, 4, 5)])
def test_lag_in_frames(lag, stride, frames):
    assert lag_in_frames(lag, System("ala2", None, [], 5.0, np.arange(1)), stride) == frames


@pytest.mark.parametrize(("lag", "stride"), [(12.0, 1), (10.0, 4), (0.0, 1)])
def test_a_lag_between_frames_is_refused(lag, stride):
    with pytest.raises(ValueError, match="expected a whole number: frames are stored every 5 ps"):
        lag_in_frames(lag, System("ala2", None, [], 5.0, np.arange(1)), stride)


@pytest.fixture
def torsions(reference):
    folder = reference("data/msmb_ala2/ala2.pdb").parent
    files = sorted(folder.glob("*.dcd"))
    return [torsion_features(mdtraj.load(str(f), top=str(folder / "ala2.pdb"))) for f in files]


def test_linear_vamp_on_outside_data(torsions):
    """100 ns of another laboratory: VAMP-2 at 20 ps is 1.82 / 1.84 by halves, psi relaxes in 200 to 230 ps."""
    from lib.dynamics.validation import timescales
    from lib.dynamics.vamp import cross_validated_score, rewhitened_score

    first, second = torsions[:5], torsions[5:]
    assert rewhitened_score(first, 20) == pytest.approx(1.82, abs=0.02)
    assert cross_validated_score(first, second, 20) == pytest.approx(1.84, abs=0.02)
    assert 200 <= timescales(torsions, [20, 50], 1).timescales_for_process(0)[0] <= 230


def test_a_vampnet_beats_linear_vamp_on_outside_data(torsions):
    from lib.dynamics.vamp import rewhitened_score

    strided = [t[::5] for t in torsions]
    result = fit(strided[:4], strided[4:6], 4, 0, Settings(outputs=3, hidden=(32,), epochs=15, batch=500))
    assert result.score > rewhitened_score(strided[4:6], 4)

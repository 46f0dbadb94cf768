import mdtraj
import numpy as np
import pytest

from lib.data.torsions import backbone
from lib.data.trajectories import System, load_system
from lib.dynamics import features
from lib.dynamics.features import lag_in_frames, make_features, pair_distances, token_invariants
from lib.dynamics.geometry import torsion_features
from lib.dynamics.vampnet import Settings, fit
from lib.embed import all_tokens
from lib.make.dynamics import as_frame
from lib.models import EncoderConfig, load_encoder, random_encoder, save_encoder


CONFIGS = {
    "et": EncoderConfig(layers=1, hidden=8, rbf=8, heads=2),
    "visnet": EncoderConfig(architecture="visnet", layers=1, hidden=8, rbf=8, heads=2),
}


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Two short trajectories of chignolin, 0.2 ns apart; tokens are kept in a folder of the test's own."""
    monkeypatch.setattr("lib.embed.cached.tokens.__wrapped__.__defaults__", (1, tmp_path / "tokens"))
    folder = tmp_path / "chignolin"
    folder.mkdir()
    random = np.random.default_rng(0)
    for i, (name, length) in enumerate((("chignolin", 9), ("chignolin-extended", 6))):
        frame = as_frame(name)
        xyz = frame.xyz + random.normal(0, 0.005, (length, *frame.xyz.shape[1:])).astype(np.float32)
        moved = mdtraj.Trajectory(xyz, frame.topology, time=200.0 * np.arange(length))
        moved.save_xtc(str(folder / f"trajectory-{i}.xtc"))
    frame.save_pdb(str(folder / "topology.pdb"))
    return load_system("chignolin", root=tmp_path)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", ["distances", *features.GEOMETRIC])
def test_blocks_change_no_bit(system, monkeypatch, name, stride):
    whole = make_features(name, system, stride)
    assert [len(part) for part in whole] == [-(-9 // stride), 6 // stride]
    monkeypatch.setattr(features, "BLOCK", 2 * 166**2)
    for one, other in zip(whole, make_features(name, system, stride)):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == np.float32


def test_names_stand_for_the_functions(system):
    np.testing.assert_array_equal(make_features("distances", system)[1], pair_distances(system.positions(1), system.z))
    np.testing.assert_array_equal(make_features("torsions", system, 2)[0], torsion_features(system.frames(0, 2)))
    assert make_features("distances", system)[0].shape == (9, 93 * 92 // 2)
    assert make_features("torsions", system)[0].shape == (9, 4 * backbone(system.frames(0))[0].shape[1])


@pytest.mark.parametrize("architecture", CONFIGS)
def test_tokens_of_a_checkpoint_and_of_random_weights(system, tmp_path, architecture):
    config = CONFIGS[architecture]
    path = save_encoder(random_encoder(config, 3), tmp_path / "encoder", {})
    expected = [token_invariants(t) for t in all_tokens(load_encoder(path), system, 3)]
    for one, other in zip(make_features(f"tokens_{path}", system, 3), expected):
        np.testing.assert_array_equal(one, other)
        assert one.shape == (len(one), 10 * 2 * 8)
    same, another = (make_features("random", system, 3, seed=seed, like=path)[0] for seed in (3, 4))
    np.testing.assert_array_equal(same, expected[0])
    assert np.abs(another - same).max() > 1e-2
    few = make_features(f"tokens_{path}", system, 3, neighbors="nearest-8")[0]
    assert np.abs(few - same).max() > 1e-4


def test_the_authors_checkpoint_by_its_path(system, reference):
    path = reference("checkpoints/et_l6_h64_rbf64_r75.pth")
    (folded, extended) = make_features(f"tokens_{path}", system, 6, neighbors="nearest-32")
    assert folded.shape == (2, 10 * 2 * 64)
    assert np.abs(folded[0] - folded[1]).max() < np.abs(folded[0] - extended[0]).max()


def test_unknown_names(system):
    with pytest.raises(ValueError, match="no feature 'angles', expected one of distances, ca, closest, contacts"):
        make_features("angles", system)
    with pytest.raises(ValueError, match="random features need `like`"):
        make_features("random", system)
    with pytest.raises(FileNotFoundError, match="nobody: no such checkpoint"):
        make_features("tokens_nobody", system)


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

import numpy as np
import pytest
import torch

from lib.data.trajectories import load_system
from lib.embed import embed_frames, residue_tokens, tokens
from lib.models import EncoderConfig, random_encoder


CONFIG = EncoderConfig(layers=1, hidden=8, rbf=8, cutoff=4.0, heads=2)


@pytest.fixture
def system(shipped_data):
    return load_system("ala2")


def test_residue_tokens_against_a_plain_loop():
    scalars, vectors = torch.randn(10, 3), torch.randn(10, 3, 3)
    residue = torch.tensor([0, 0, 1, 2, 2])
    found = residue_tokens(scalars, vectors, residue, frames=2)
    for frame in range(2):
        for r in range(3):
            rows = [5 * frame + a for a in range(5) if residue[a] == r]
            torch.testing.assert_close(found[frame, r, 0], sum(scalars[i] for i in rows))
            torch.testing.assert_close(found[frame, r, 1:], sum(vectors[i] for i in rows))


def test_streamed_tokens_are_those_of_one_batch(system, tmp_path):
    encoder = random_encoder(CONFIG, 0)
    streamed = tokens(encoder, system, 0, stride=300, scratch=tmp_path)
    whole = embed_frames(encoder, system.z, system.positions(0, 300), system.residue).numpy()
    assert streamed.shape == (len(system.positions(0, 300)), 3, 4, 8)
    np.testing.assert_allclose(streamed, whole, atol=1e-4 * np.abs(whole).max())


def test_scratch_is_used_again_and_belongs_to_one_encoder(system, tmp_path):
    encoder, other = random_encoder(CONFIG, 0), random_encoder(CONFIG, 1)
    first = tokens(encoder, system, 0, 1000, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    np.testing.assert_array_equal(tokens(encoder, system, 0, 1000, tmp_path), first)
    assert not np.array_equal(tokens(other, system, 0, 1000, tmp_path), first)
    assert len(list(tmp_path.iterdir())) == 2


def test_interrupted_embedding_resumes(system, tmp_path, monkeypatch):
    import lib.embed

    encoder = random_encoder(CONFIG, 0)
    whole = tokens(encoder, system, 0, 100, tmp_path / "whole")
    calls, embed = [], lib.embed.embed_frames

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return embed(*arguments)

    monkeypatch.setattr(lib.embed, "embed_frames", killed)
    with pytest.raises(KeyboardInterrupt):
        tokens(encoder, system, 0, 100, tmp_path / "cut")
    assert not list((tmp_path / "cut").glob("*.h5"))
    np.testing.assert_array_equal(tokens(encoder, system, 0, 100, tmp_path / "cut"), whole)


def test_a_part_that_was_cut_by_a_kill_is_begun_again(system, tmp_path):
    encoder = random_encoder(CONFIG, 0)
    whole = tokens(encoder, system, 0, 1000, tmp_path)
    (finished,) = tmp_path.iterdir()
    finished.unlink()
    finished.with_suffix(".part").write_bytes(b"not HDF5")
    np.testing.assert_array_equal(tokens(encoder, system, 0, 1000, tmp_path), whole)

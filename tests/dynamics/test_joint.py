import numpy as np
import pytest
import torch

from lib.dynamics.joint import EncoderLobe, encoder_network
from lib.dynamics.mixing import token_network
from lib.dynamics.vampnet import Settings, fit, transform
from lib.embed.tokens import embed_frames
from lib.mixers import make_mixer
from lib.models import EncoderConfig, random_encoder


CONFIG = EncoderConfig("et", layers=1, hidden=16, rbf=8, cutoff=5.0)
Z, RESIDUE = np.array([6, 1, 8, 7, 6]), np.array([0, 0, 0, 1, 1])
SETTINGS = Settings(outputs=1, epochs=6, batch=50, learning_rate=5e-3)


def positions(frames, seed):
    """(frame, 5, 3) Å: one bond turns to the other side when a two-state process jumps."""
    rng = np.random.default_rng(seed)
    state = np.cumsum(rng.random(frames) < 0.05) % 2
    pos = np.tile(np.array([[0, 0, 0], [1, 0, 0], [0, 1.3, 0], [0, 0, 1.4], [1.5, 0, 1.4]]), (frames, 1, 1))
    pos[:, 4] += state[:, None] * np.array([-1.5, 0, 1.5])
    return (pos + 0.05 * rng.standard_normal(pos.shape)).astype(np.float32)


DATA = [positions(300, s) for s in range(2)]


def network(make=lambda seed: random_encoder(CONFIG, seed), **options):
    return encoder_network(make, Z, RESIDUE, DATA[0], "submixer", width=8, depth=1, **options)


def test_a_joint_lobe_is_the_mixer_on_the_tokens_of_its_encoder():
    encoder, mixer = random_encoder(CONFIG, 0), make_mixer("submixer", 16, 2, 1, width=8, depth=1).eval()
    tokens = embed_frames(encoder, Z, DATA[0], RESIDUE)
    lobe = EncoderLobe(encoder, Z, RESIDUE, mixer).eval()
    with torch.no_grad():
        torch.testing.assert_close(lobe(torch.from_numpy(DATA[0])), mixer(tokens), rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_layer_of_the_encoder_in_every_block(monkeypatch):
    lobe = EncoderLobe(random_encoder(CONFIG, 0), Z, RESIDUE, make_mixer("none", 16, 2, 1, dropout=0.0))
    frames = torch.from_numpy(DATA[0][:40])

    def gradients():
        lobe.zero_grad()
        lobe(frames).square().sum().backward()
        return {name: p.grad.clone() for name, p in lobe.encoder.named_parameters() if p.grad is not None}

    whole = gradients()
    assert whole["representation.attention_layers.0.q_proj.weight"].abs().max() > 0
    assert whole["representation.embedding.weight"].abs().max() > 0
    monkeypatch.setattr("lib.dynamics.joint.ATOMS_PER_BATCH", 35)  # seven frames
    for name, gradient in gradients().items():
        torch.testing.assert_close(gradient, whole[name], rtol=1e-3, atol=1e-4)


def test_joint_training_learns_changes_the_encoder_and_depends_on_the_seed():
    results = [fit(DATA[:1], DATA[1:], 1, seed, SETTINGS, network=network()) for seed in (0, 0, 1)]
    assert results[0].score > 1.5
    np.testing.assert_array_equal(results[0].history, results[1].history)
    assert not np.array_equal(results[0].history, results[2].history)
    assert transform(results[0].lobe, DATA)[0].shape == (300, 1)


def test_fine_tuning_starts_from_the_given_weights_and_a_frozen_start_agrees_before_any_step():
    trained = random_encoder(CONFIG, 7)
    start = {name: value.clone() for name, value in trained.representation.state_dict().items()}
    make = lambda seed: random_encoder(CONFIG, 7)  # noqa: E731
    tuned = fit(DATA[:1], DATA[1:], 1, 0, SETTINGS, network=network(make)).lobe.encoder.representation.state_dict()
    assert any(not torch.equal(tuned[name], start[name]) for name in start)
    generator = lambda: torch.Generator().manual_seed(0)  # noqa: E731
    joint = network(make)(None, None, SETTINGS, generator())
    tokens = embed_frames(trained, Z, DATA[0], RESIDUE).numpy()
    frozen = token_network("submixer", width=8, depth=1)(tokens.mean(0), tokens.std(0), SETTINGS, generator())
    a, b = dict(joint.mixer.named_parameters()), dict(frozen.mixer.named_parameters())
    assert all(torch.equal(a[name], b[name]) for name in a)  # the same head for the same seed


def test_frames_of_other_atoms_are_refused():
    lobe = network()(None, None, SETTINGS, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r"shape .2, 4, 3., expected .frame, 5, 3."):
        lobe(torch.zeros(2, 4, 3))

import numpy as np
import pytest
import torch

from lib.dynamics import refinement, spib
from lib.dynamics.crossvalidation import cross_validate
from lib.dynamics.mixing import token_network, with_positions, without_convolution
from lib.dynamics.vampnet import Settings, fit, transform
from lib.mixers import MIXERS, make_mixer


def tokens(frames, seed):
    """(frame, 3, 4, 2) tokens and (frame, 3, 3) positions of a chain that stretches when a two-state process jumps."""
    rng = np.random.default_rng(seed)
    state = np.cumsum(rng.random(frames) < 0.03) % 2
    made = rng.standard_normal((frames, 3, 4, 2)).astype(np.float32)
    made[:, 0, 0, 0] += 3 * state
    ca = np.arange(3)[None, :, None] * np.array([4.0, 0, 0]) * (1 + state[:, None, None])
    return made, (ca + 0.1 * rng.standard_normal((frames, 3, 3))).astype(np.float32), state


DATA = [tokens(900, s) for s in range(3)]
SETTINGS = Settings(outputs=1, epochs=6, batch=100, learning_rate=1e-2)


def test_a_mixer_learns_as_a_lobe_and_its_output_is_invariant():
    frames = [with_positions(t, ca) for t, ca, _ in DATA]
    network = token_network("subgvp", positions=True, width=8, depth=1)
    result = fit(frames[:2], frames[2:], 2, 0, SETTINGS, network=network)
    assert result.score > 1.5
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))[0].numpy()
    turned = frames[2].copy()
    turned[:, :, 1:] = np.einsum("ij,ftjh->ftih", rotation, frames[2][:, :, 1:])
    np.testing.assert_allclose(transform(result.lobe, [turned])[0], transform(result.lobe, frames[2:])[0], atol=1e-3)


def test_moments_calibrate_as_the_mixer_itself_does():
    joined = np.concatenate([with_positions(t, ca) for t, ca, _ in DATA])
    network = token_network("attention", positions=True, width=8, depth=1)
    lobe = network(joined.mean(0), joined.std(0), SETTINGS, torch.Generator().manual_seed(0))
    own = make_mixer("attention", 2, 3, 1, width=8, depth=1)
    own.embedding.calibrate(torch.from_numpy(joined[..., :-1]), torch.from_numpy(joined[:, :, 1:, -1]))
    for name in ("mean", "spread", "extent"):
        found, expected = getattr(lobe.mixer.embedding, name), getattr(own.embedding, name)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", MIXERS)
def test_every_mixer_serves_spib_and_its_fit_depends_on_the_seed(name):
    frames, labels = [with_positions(t, ca) for t, ca, _ in DATA], [s for *_, s in DATA]
    network = token_network(name, positions=True, width=8, depth=1)
    settings = spib.Settings(decoder=(8,), epochs=1, refinements=0)
    runs = [refinement.fit(frames, labels, 2, seed, settings, network=network).history for seed in (0, 0, 1)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_cross_validation_takes_a_mixer_into_other_processes():
    once, network = Settings(outputs=1, epochs=1, batch=300), token_network("none", width=8)
    folds = cross_validate([t for t, *_ in DATA], 2, [0], once, jobs=2, network=network)
    assert all(fold.rewhitened > 1 for fold in folds)
    assert [fold.test for fold in folds] == [0, 1, 2]


@pytest.mark.parametrize("name", ["none", "submixer", "subformer"])
def test_a_lobe_in_parts_and_folded_is_the_mixer_with_its_gradients(name, monkeypatch):
    monkeypatch.setattr("lib.dynamics.mixing.TOKENS", 21)  # seven frames at once
    lobe = token_network(name, width=8, depth=1, dropout=0.0)(
        DATA[0][0].mean(0), DATA[0][0].std(0), SETTINGS, torch.Generator().manual_seed(0)
    ).double()
    frames = torch.from_numpy(DATA[0][0][:20]).double()
    found = []
    for module in (lobe, lobe.mixer):
        lobe.zero_grad()
        output = module(frames)
        output.square().sum().backward()
        found.append([output, *(p.grad for p in lobe.parameters())])
    for one, other in zip(*found):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_merging_without_a_convolution_needs_no_positions_and_sees_windows_only():
    options = dict(window=2, width=8, depth=1, convolution=False)
    lobe = token_network("submixer", **options)(
        DATA[0][0].mean(0), DATA[0][0].std(0), SETTINGS, torch.Generator().manual_seed(0)
    ).eval()
    frames = torch.from_numpy(DATA[0][0][:5])
    scalars, vectors, _, here = lobe.mixer.equivariant(frames, None, torch.ones(5, 3, dtype=torch.bool))
    assert (scalars.shape[1], vectors.shape[1], here.shape[1]) == (2, 2, 2)
    changed = frames.clone()
    changed[:, 2] += 1
    other = lobe.mixer.equivariant(changed, None, torch.ones(5, 3, dtype=torch.bool))[0]
    assert torch.equal(other[:, 0], scalars[:, 0])
    assert not torch.allclose(other[:, 1], scalars[:, 1])
    assert lobe(frames).shape == (5, 1)
    with pytest.raises(ValueError, match="no convolution before a merging"):
        without_convolution(make_mixer("submixer", 2, 3, 1))


def test_positions_of_other_frames_are_refused():
    with pytest.raises(ValueError, match=r"tokens .900, 3, 4, 2. and CA positions .900, 2, 3."):
        with_positions(DATA[0][0], DATA[0][1][:, :2])

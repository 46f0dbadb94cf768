"""The laws that every mixer obeys, whatever its weights, in float64."""

import pytest
import torch

from lib.mixers import MIXERS, attention_maps, make_mixer, matched_width, parameter_count


FRAMES, TOKENS, CHANNELS, OUTPUTS = 3, 7, 6, 2
SIZES = {"channels": CHANNELS, "tokens": TOKENS, "outputs": OUTPUTS, "width": 16, "depth": 2, "heads": 4}
VARIANTS = [(name, {}) for name in MIXERS] + [
    ("attention", {"window": 3}),
    ("subformer-gvp", {"window": 2, "distances": True}),
    ("submixer", {"window": 3, "distances": True}),
    ("none", {"distances": True, "positions": True}),
]
every_mixer = pytest.mark.parametrize(
    ("name", "options"), VARIANTS, ids=lambda x: x if isinstance(x, str) else "-".join(x)
)


def mixer(name, **options):
    """A mixer with biases and scales off their initial values, where some terms vanish and errors could hide."""
    made = make_mixer(name, **(SIZES | options)).double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() == 1:
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return made


def frames(count=FRAMES, tokens=TOKENS, seed=0):
    """Tokens (frame, token, 4, H) and CA positions (frame, token, 3) of a chain, float64."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    return draw(count, tokens, 4, CHANNELS), draw(count, tokens, 3).cumsum(1) * 2.5


def rotation():
    q = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64))[0]
    return q * torch.linalg.det(q)


def turned(tokens, turn):
    return torch.cat([tokens[:, :, :1], torch.einsum("xy,ftyc->ftxc", turn, tokens[:, :, 1:])], dim=2)


def everyone(tokens):
    return torch.ones(tokens.shape[:2], dtype=torch.bool)


def close(a, b, tolerance=1e-10):
    return a.shape == b.shape and float((a - b).detach().abs().max()) <= tolerance * float(
        b.detach().abs().max().clamp_min(1.0)
    )


@every_mixer
@pytest.mark.parametrize("determinant", [1, -1], ids=["rotation", "reflection"])
def test_turning_a_frame_turns_its_vectors_and_leaves_the_outputs(name, options, determinant):
    made, (tokens, ca), turn = mixer(name, **options), frames(), determinant * rotation()
    moved = ca @ turn.T + torch.tensor([30.0, -20.0, 11.0], dtype=torch.float64)
    with torch.no_grad():
        assert close(made(turned(tokens, turn), moved), made(tokens, ca))
        scalars, vectors, _, _ = made.equivariant(tokens, ca, everyone(tokens))
        scalars2, vectors2, _, _ = made.equivariant(turned(tokens, turn), moved, everyone(tokens))
        assert close(scalars2, scalars)
        assert close(vectors2, torch.einsum("xy,ftyc->ftxc", turn, vectors))
        assert not close(vectors2, vectors, 1e-3)


@every_mixer
def test_frames_do_not_see_each_other(name, options):
    made, (tokens, ca) = mixer(name, **options), frames()
    with torch.no_grad():
        together = made(tokens, ca)
        for i in range(FRAMES):
            assert close(made(tokens[i : i + 1], ca[i : i + 1]), together[i : i + 1], 1e-13)


@every_mixer
def test_every_parameter_learns(name, options):
    made, (tokens, ca) = mixer(name, **options), frames()
    made(tokens, ca).square().sum().backward()
    for label, parameter in made.named_parameters():
        assert parameter.grad is not None, label
        assert float(parameter.grad.abs().max()) > 1e-12, label
        assert bool(parameter.grad.isfinite().all()), label


@every_mixer
def test_absent_tokens_do_not_matter(name, options):
    made, (tokens, ca) = mixer(name, **options), frames()
    present = torch.tensor([[1, 1, 1, 1, 1, 0, 0], [1, 0, 1, 1, 0, 0, 0], [1] * 7]).bool()
    other, elsewhere = frames(seed=9)
    with torch.no_grad():
        expected = made(tokens, ca, present)
        swapped = torch.where(present[..., None, None], tokens, other)
        assert close(made(swapped, torch.where(present[..., None], ca, elsewhere), present), expected)
        assert not close(made(tokens, ca)[:2], expected[:2], 1e-6)


ANY_NUMBER = [v for v in VARIANTS if "submixer" not in v[0] and "distances" not in v[1]]


@pytest.mark.parametrize(("name", "options"), ANY_NUMBER, ids=lambda x: x if isinstance(x, str) else "-".join(x))
@pytest.mark.parametrize("added", [1, 2, 5])
def test_padding_changes_nothing(name, options, added):
    made, (tokens, ca) = mixer(name, **options), frames()
    other, elsewhere = frames(tokens=added, seed=9)
    present = everyone(tokens)
    with torch.no_grad():
        padded = made(
            torch.cat([tokens, other], 1),
            torch.cat([ca, elsewhere], 1),
            torch.cat([present, torch.zeros(FRAMES, added, dtype=torch.bool)], 1),
        )
        assert close(padded, made(tokens, ca))


@pytest.mark.parametrize(
    ("name", "positions", "free"),
    [
        ("none", False, True),
        ("subgvp", False, True),
        ("subformer", False, True),
        ("subformer-gvp", False, True),
        ("attention", False, True),
        ("subformer", None, False),
        ("attention", None, False),
        ("submixer", None, False),
        ("submixer-gvp", None, False),
        ("none", True, False),
    ],
)
def test_order_of_tokens_matters_where_the_docs_say_so(name, positions, free):
    made, (tokens, ca) = mixer(name, positions=positions), frames()
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    with torch.no_grad():
        assert close(made(tokens[:, order], ca[:, order]), made(tokens, ca), 1e-10 if free else 1e-4) == free


@pytest.mark.parametrize("name", ["subformer", "attention", "subformer-gvp"])
def test_attention_maps_are_probabilities(name):
    made, (tokens, ca) = mixer(name), frames()
    present = everyone(tokens)
    present[0, 4:] = False
    maps = attention_maps(made, tokens, ca, present)
    summary = int(name.startswith("subformer"))  # the class token is query and key 0
    assert len(maps) == 2
    for found in maps:
        assert found.shape == (FRAMES, 4, TOKENS + summary, TOKENS + summary)
        assert close(found.sum(-1), torch.ones_like(found[..., 0]), 1e-12)
        assert float(found[0, ..., 4 + summary :].abs().max()) == 0.0
        assert float(found.min()) >= 0.0
    assert attention_maps(mixer("submixer"), tokens) == []


def test_dropout_keeps_equivariance_and_drops_whole_vectors():
    made, (tokens, ca), turn = mixer("attention", dropout=0.5).train(), frames(), rotation()
    with torch.no_grad():
        torch.manual_seed(0)
        first = made(tokens, ca)
        torch.manual_seed(0)
        assert close(made(turned(tokens, turn), ca @ turn.T), first)
        assert not close(made(tokens, ca), first, 1e-3)


def test_calibration_standardises_and_stays_equivariant():
    made, (tokens, ca), turn = mixer("attention"), frames(count=50), rotation()
    tokens[:, :, 0] = 5 * tokens[:, :, 0] + 30
    tokens[:, :, 1:] *= 40
    tokens[:, :, 0, 2] = 7.0
    made.embedding.calibrate(tokens, ca)
    embedding = made.embedding
    scalars = (tokens[:, :, 0] - embedding.mean) / embedding.spread
    assert close(scalars.mean((0, 1)), torch.zeros(CHANNELS).double(), 1e-12)
    assert close(scalars.std((0, 1))[[0, 1, 3, 4, 5]], torch.ones(5).double(), 1e-2)
    assert float(embedding.spread[2]) == 1.0
    size = (embedding.vectors(tokens, ca, everyone(tokens)) / embedding.extent).square().sum(2).mean((0, 1))
    assert close(size, torch.ones(CHANNELS + 1).double(), 1e-12)
    with torch.no_grad():
        assert close(made(turned(tokens, turn), ca @ turn.T), made(tokens, ca))


def test_the_seed_alone_decides_the_weights():
    state = torch.random.get_rng_state()
    first, again, other = (make_mixer("subformer-gvp", **SIZES, seed=s) for s in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    pairs = list(zip(first.parameters(), again.parameters(), other.parameters()))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not all(torch.equal(a, c) for a, _, c in pairs)


def test_widths_are_found_that_match_the_number_of_parameters():
    target = parameter_count(make_mixer("subformer", 64, 10, 3, width=64))
    for name in MIXERS:
        width = matched_width(name, target, 64, 10, 3)
        assert parameter_count(make_mixer(name, 64, 10, 3, width=width)) == pytest.approx(target, rel=0.05)
    assert matched_width("subformer", target, 64, 10, 3) == 64
    with pytest.raises(ValueError, match="no width gives mixer 'none' within 5% of 10 parameters"):
        matched_width("none", 10, 64, 10, 3)


def test_bad_input_is_refused():
    tokens, ca = frames()
    with pytest.raises(ValueError, match="mixer 'mean' is not one of none, subformer"):
        make_mixer("mean", **SIZES)
    with pytest.raises(ValueError, match="depth 0"):
        make_mixer("none", **(SIZES | {"depth": 0}))
    for name, options in (("subgvp", {}), ("attention", {}), ("none", {"distances": True}), ("none", {"window": 2})):
        with pytest.raises(ValueError, match="ca is None, expected CA positions"):
            mixer(name, **options)(tokens)
    with pytest.raises(ValueError, match=r"tokens have the shape \(3, 7, 3, 6\), expected \(frame, token, 4, 6\)"):
        mixer("none")(tokens[:, :, :3])
    with pytest.raises(ValueError, match=r"ca has the shape \(3, 6, 3\), expected \(3, 7, 3\)"):
        mixer("attention")(tokens, ca[:, 1:])
    with pytest.raises(ValueError, match="5 tokens, expected 7"):
        mixer("submixer")(tokens[:, :5])
    with pytest.raises(ValueError, match="no token is present"):
        mixer("none")(tokens, None, torch.zeros(FRAMES, TOKENS, dtype=torch.bool))

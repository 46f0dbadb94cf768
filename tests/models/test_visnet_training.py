"""ViSNet's compiled way of training: gradients against the eager twin in float64, and the loops one by one."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.models import EncoderConfig, random_encoder
from lib.models.radial import ExpNormalBasis
from lib.models.visnet import VectorNorm


sys.path.append(str(Path(__file__).parent))
from physics import jiggled, molecules


training = pytest.importorskip("lib.models.visnet_training")
backward = pytest.importorskip("lib.models.visnet_backward")
kernels = pytest.importorskip("lib.models.visnet_kernels")

SMALL = EncoderConfig("visnet", layers=3, hidden=16, rbf=16, cutoff=4.0, heads=4)
WIDE = replace(SMALL, hidden=64, heads=8)


def everything(encoder, z, pos, batch):
    """A loss that reads scalars, vectors and the head."""
    x, v = encoder(z, pos, batch)
    return x.sin().sum() + v.square().sum() + encoder.denoise(z, pos, batch).sin().sum()


def gradients(encoder, sample, loss, dtype, fused):
    """Gradient of every weight that has one."""
    z, pos, batch = sample
    encoder = encoder.to(dtype)
    encoder.representation.fused = fused
    encoder.zero_grad()
    value = loss(encoder, z, pos.to(dtype), batch)
    assert fused == ("FilteredBackward" in names(value.grad_fn))
    value.backward()
    return {name: p.grad.double() for name, p in encoder.named_parameters() if p.grad is not None}


def names(node) -> set[str]:
    """Of all functions that led to a tensor."""
    found, waiting = set(), [node]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.add(node)
            waiting.extend(before for before, _ in node.next_functions)
    return {node.name() for node in found}


def assert_gradients_agree(encoder, sample, loss=everything):
    """The same weights have a gradient, exact to float32 rounding: 2e-5, or what eager float32 itself is off by."""
    exact = gradients(encoder, sample, loss, torch.float64, fused=False)
    eager, found = (gradients(encoder, sample, loss, torch.float32, fused=fused) for fused in (False, True))
    assert found.keys() == exact.keys()
    for name, gradient in exact.items():
        scale = max(float(gradient.abs().max()), 1e-3)
        error, rounding = (float((given[name] - gradient).abs().max()) for given in (found, eager))
        assert error <= max(2e-5 * scale, rounding), name


@pytest.mark.parametrize("rule", ["all", "nearest-5", "index-5"])
@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("config", [SMALL, WIDE], ids=["16", "64"])
def test_gradients_equal_the_eager_ones(config, smooth, rule):
    assert_gradients_agree(jiggled(random_encoder(replace(config, smooth=smooth), 0, rule)), molecules())


@pytest.mark.parametrize("sizes", [(1,), (1, 1), (2, 1), (8,), (17, 9)])
def test_gradients_of_any_number_of_atoms_and_edges(sizes):
    """8 atoms make a whole block of 64 edges; an atom alone keeps vectors that are exactly 0."""
    assert_gradients_agree(jiggled(random_encoder(replace(SMALL, cutoff=12.0), 0)), molecules(sizes))


@pytest.mark.parametrize("layers", [1, 2])
def test_gradients_of_shallow_encoders(layers):
    assert_gradients_agree(jiggled(random_encoder(replace(SMALL, layers=layers), 0)), molecules())


@pytest.mark.parametrize("part", [0, 1], ids=["scalars", "vectors"])
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_weights_without_a_part_in_the_loss_keep_no_gradient(layer, part):
    """A gradient of 0 is not the same: the optimiser would let the weight decay."""

    def loss(encoder, z, pos, batch):
        return encoder.layers(z, pos, batch)[layer][part].sin().sum()

    assert_gradients_agree(jiggled(random_encoder(SMALL, 0)), molecules(), loss)


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_share_the_molecules(monkeypatch, threads):
    monkeypatch.setattr(training, "PART", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert_gradients_agree(jiggled(random_encoder(SMALL, 0)), molecules((7, 1, 12, 2, 9, 1)))


@pytest.mark.parametrize("rule", ["all", "nearest-5", "index-5"])
@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_parts_have_no_atom_in_common(rule, count):
    encoder = random_encoder(SMALL, 0, rule)
    centre, neighbour, _, _ = (t.numpy() for t in encoder.graph(*molecules((7, 1, 12, 2, 9, 1))).edges())
    parts = training.cut(centre, neighbour, count)
    atoms = [{*centre[part].tolist(), *neighbour[part].tolist()} for part in parts]
    assert np.array_equal(np.concatenate([centre[part] for part in parts]), centre)
    assert all(atoms)
    assert sum(map(len, atoms)) == len(set().union(*atoms))
    assert len(parts) == 1 if count == 1 else 2 <= len(parts) <= count


@pytest.mark.parametrize("smooth", [True, False])
def test_optimiser_steps_give_the_same_losses(smooth):
    z, pos, batch = molecules((9, 1, 6))
    target = torch.randn(len(z), 3, generator=torch.Generator().manual_seed(2))

    def losses(fused):
        encoder = jiggled(random_encoder(replace(SMALL, smooth=smooth), 0)).train()
        encoder.representation.fused = fused
        optimiser = torch.optim.AdamW(encoder.parameters(), lr=1e-3)
        values = []
        for _ in range(5):
            optimiser.zero_grad(set_to_none=True)
            loss = (encoder.denoise(z, pos.float(), batch) - target).square().mean()
            loss.backward()
            optimiser.step()
            values.append(loss.item())
        return values

    fused = losses(True)
    assert fused == pytest.approx(losses(False), rel=1e-4)
    assert fused[-1] < fused[0]


@pytest.mark.parametrize("times", [1, 2])
def test_products_of_the_way_back_equal_those_of_torch(times):
    torch.manual_seed(0)
    x, g, weight = torch.randn(12, 16), torch.randn(12, 16 * times), torch.randn(16 * times, 16)
    gx, gweight, gbias = torch.randn(12, 16), torch.randn(16, 16 * times), torch.randn(16 * times)
    aims = gx + g @ weight, gweight + x.t() @ g, gbias + g.sum(0)
    sizes, flat = ((0,) * 4, (0,) * 4), [t.view(-1).numpy() for t in (x, g, weight, gx, gweight, gbias)]
    kernels.accumulate(*sizes, (0,) * times, (0,), flat[1], flat[2], flat[3])
    backward.correlate(*sizes, (0,) * times, flat[0], flat[1], flat[4], flat[5])
    for found, aim in zip((gx, gweight, gbias), aims):
        assert torch.allclose(found, aim, atol=1e-5)


@pytest.mark.parametrize("case", ["random", "equal", "zero", "one zero", "tied"])
def test_gradient_of_normalised_vectors_equals_the_eager_one(case):
    torch.manual_seed(0)
    vectors, weights = torch.randn(5, 3, 16), torch.randn(5, 3, 16)
    vectors[0] = {"equal": 1.0, "zero": 0.0}.get(case, vectors[0])
    vectors[1, :, 3] = {"one zero": 0.0}.get(case, vectors[1, :, 3])
    if case == "tied":
        vectors[2, :, 8:] = vectors[2, :, :8]
    edges = training.Edges(random_encoder(SMALL, 0).graph(*molecules()), ExpNormalBasis(16, 4.0), 16, 4)
    norm, found = VectorNorm(16), []
    for function in (norm, lambda v: edges.normalise(v, norm)):
        v = vectors.clone().requires_grad_(True)
        out = function(v)
        found.append((out, *torch.autograd.grad((out * weights).sum(), (v, norm.weight))))
    for eager, fused in zip(*found):
        assert fused.isfinite().all()
        assert torch.allclose(fused, eager, rtol=1e-5, atol=1e-5)

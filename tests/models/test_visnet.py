"""ViSNet: the laws of physics, in its smooth and its published form, and its compiled path against the eager one."""

import copy
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import mdtraj
import numpy as np
import pytest
import torch

from lib.models import EncoderConfig, load_encoder, random_encoder


sys.path.append(str(Path(__file__).parent))
from physics import Physics, jiggled, molecules


SMALL = EncoderConfig("visnet", layers=3, hidden=16, rbf=16, cutoff=4.0, heads=4)
PUBLISHED = "checkpoints/visnet_l6_h64_rbf64_r75.pth"


class TestSmooth(Physics):
    config = SMALL


class TestFaithful(Physics):
    config = replace(SMALL, smooth=False)


class TestNearest(Physics):
    config = SMALL
    neighbors = "nearest-6"

    def test_features_are_continuous_at_the_cutoff_when_smooth(self, encoder):
        pytest.skip("a truncated neighbour list jumps wherever the order of distances changes")


def assert_twins_agree(encoder, z, pos, batch):
    """Both paths give the same output and the same layers, relative to the largest value."""
    pytest.importorskip("numba")
    representation = encoder.representation
    with torch.no_grad():
        graph = encoder.graph(z, pos.float(), batch)
        results = []
        for representation.fused in (False, True):
            assert representation._compiled(graph) == representation.fused
            results.append([representation(z, graph), *representation.layers(z, graph)])
    for (x, v), (x2, v2) in zip(*results, strict=True):
        assert float((x2 - x).abs().max()) <= 1e-5 * float(x.abs().max())
        assert float((v2 - v).abs().max()) <= 1e-5 * float(v.abs().max())


@pytest.mark.parametrize("rule", ["all", "nearest-5", "index-5"])
@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize(("hidden", "heads"), [(16, 4), (12, 3), (64, 8)])
def test_fused_layers_equal_the_eager_ones(rule, smooth, hidden, heads):
    config = EncoderConfig("visnet", layers=3, hidden=hidden, rbf=32, cutoff=5.0, heads=heads, smooth=smooth)
    assert_twins_agree(jiggled(random_encoder(config, 0, rule)), *molecules())


@pytest.mark.parametrize("sizes", [(1,), (1, 1), (2, 1), (8,), (16,), (17,), (9, 1, 11, 20)])
def test_fused_layers_take_any_number_of_atoms_and_edges(sizes):
    """8 atoms make a whole block of 64 edges, 16 atoms a whole block of atoms."""
    assert_twins_agree(jiggled(random_encoder(replace(SMALL, cutoff=12.0), 0)), *molecules(sizes))


@pytest.mark.parametrize("layers", [1, 2])
def test_fused_layers_take_shallow_encoders(layers):
    assert_twins_agree(jiggled(random_encoder(replace(SMALL, layers=layers), 0)), *molecules())


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize(
    ("system", "rule"),
    [("ala2heavy_full", "all"), *((f"cln025heavy_{r}", n) for r, n in [("full", "all"), ("near32", "nearest-32")])],
)
def test_fused_layers_equal_the_eager_ones_with_published_weights(reference, system, rule, smooth):
    golden = np.load(reference(f"golden/visnet_{system}.npz"))
    encoder = load_encoder(reference(PUBLISHED), neighbors=rule)
    for layer in encoder.representation.vis_mp_layers:
        layer.smooth = smooth
    frames, atoms, _ = golden["pos"].shape
    z = torch.from_numpy(golden["z"]).repeat(frames)
    pos = torch.from_numpy(golden["pos"]).reshape(-1, 3)
    assert_twins_agree(encoder, z, pos, torch.arange(frames).repeat_interleave(atoms))


@pytest.mark.parametrize("rule", ["all", "index-32"])
@pytest.mark.parametrize("name", ["ala2", "cln025"])
def test_fused_layers_equal_the_eager_ones_with_hydrogens(reference, name, rule):
    frame = mdtraj.load(reference(f"golden/{name}.pdb"))[0]
    z = torch.tensor([atom.element.number for atom in frame.topology.atoms])
    encoder = load_encoder(reference(PUBLISHED), neighbors=rule)
    assert_twins_agree(encoder, z, torch.from_numpy(10 * frame.xyz[0]), torch.zeros_like(z))


def test_gradients_with_respect_to_the_positions_come_by_the_eager_path():
    encoder = random_encoder(SMALL, 0)
    z, pos, batch = molecules((6,))
    pos = pos.float().requires_grad_(True)
    x, v = encoder(z, pos, batch)
    (force,) = torch.autograd.grad(x.sin().sum() + v.square().sum(), pos, create_graph=True)
    force.square().sum().backward()
    assert float(encoder.representation.vis_mp_layers[0].dv_proj.weight.grad.abs().max()) > 0
    encoder.requires_grad_(False)
    assert not encoder(z, pos.detach(), batch)[0].requires_grad
    assert encoder(z, pos, batch)[0].requires_grad


def test_every_change_of_the_weights_is_seen():
    encoder, sample = random_encoder(SMALL, 0), molecules()
    weight = encoder.representation.vis_mp_layers[0].dv_proj.weight

    def step():
        weight.grad = torch.ones_like(weight)
        torch.optim.SGD([weight], lr=0.1).step()

    def load():
        encoder.load_state_dict(random_encoder(SMALL, 1).state_dict())

    def train():
        weight.data.mul_(0.5)  # goes unnoticed by itself
        encoder.train()

    assert_twins_agree(encoder, *sample)
    for change in (step, load, train):
        change()
        assert_twins_agree(encoder, *sample)


def test_a_copy_leaves_the_packed_weights_behind():
    pytest.importorskip("numba")
    encoder = jiggled(random_encoder(SMALL, 0))
    z, pos, batch = molecules()
    with torch.no_grad():
        before = encoder(z, pos.float(), batch)[0]
        assert encoder.representation.packed is not None
        for other in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
            assert other.representation.packed is None
            assert torch.equal(other(z, pos.float(), batch)[0], before)


def test_a_width_that_the_loops_cannot_take_is_left_to_the_eager_path():
    encoder = random_encoder(EncoderConfig("visnet", layers=2, hidden=6, rbf=8, cutoff=4.0, heads=3), 0)
    assert not encoder.representation.fused
    with torch.no_grad():
        assert encoder(*(t.float() if t.is_floating_point() else t for t in molecules()))[0].isfinite().all()


@pytest.mark.parametrize("times", [1, 2, 3])
def test_product_equals_that_of_torch(times):
    pytest.importorskip("numba")
    from lib.models import visnet_kernels as kernels

    torch.manual_seed(0)
    x, weight, bias, y = (
        torch.randn(12, 16),
        torch.randn(16, 16 * times),
        torch.randn(16 * times),
        torch.empty(12, 16 * times),
    )
    flat = (t.flatten().numpy() for t in (x, weight, bias))
    kernels.multiply((0,) * 4, (0,) * 4, (0,) * times, *flat, y.view(-1).numpy())
    assert torch.allclose(y, x @ weight + bias, atol=1e-5)

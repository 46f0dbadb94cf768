"""TensorNet: the laws of physics, the paper's formulas edge by edge, and its parameters under their published names."""

import copy
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.functional import silu

from lib.models import EncoderConfig, load_encoder, random_encoder, save_encoder
from lib.models.graph import neighbours
from lib.models.radial import cosine_cutoff
from lib.models.tensornet import BASIS, components, matmul, matrices


sys.path.append(str(Path(__file__).parent))
from physics import Physics, close, jiggled, molecules, rotation


SMALL = EncoderConfig("tensornet", layers=2, hidden=16, rbf=16, cutoff=4.0, heads=4)


class TestPhysics(Physics):
    config = SMALL


class TestNearest(Physics):
    config = SMALL
    neighbors = "nearest-6"

    def test_features_are_continuous_at_the_cutoff_when_smooth(self, encoder):
        pytest.skip("a truncated neighbour list jumps wherever the order of distances changes")


def isotropic(m):
    trace = m.diagonal(dim1=-2, dim2=-1).mean(-1)
    return trace[..., None, None] * torch.eye(3, dtype=m.dtype)


def parts(m):
    return isotropic(m), (m - m.mT) / 2, (m + m.mT) / 2 - isotropic(m)


def mix(layers, m):
    return [torch.einsum("oc,ncxy->noxy", layer.weight, part) for layer, part in zip(layers, parts(m))]


def norm(m):
    return m.square().sum((-2, -1))


def by_the_paper(network, z, pos, edges):
    """Matrices (atom, hidden, 3, 3) of the embedding and of every layer, one edge (centre, neighbour) at a time."""
    embedding, eye = network.tensor_embedding, torch.eye(3, dtype=pos.dtype)
    step = [pos[j] - pos[i] for i, j in edges]
    unit = [d / d.norm() if i != j else d for d, (i, j) in zip(step, edges)]
    distance = torch.stack([d.norm() for d in step])
    basis, fade = network.distance_expansion(distance), cosine_cutoff(distance, SMALL.cutoff)
    x = pos.new_zeros(len(z), SMALL.hidden, 3, 3)
    for e, (i, j) in enumerate(edges):
        a, b, c = unit[e].tolist()
        cross = torch.tensor([[0, -c, b], [c, 0, -a], [-b, a, 0]], dtype=pos.dtype)
        outer = torch.outer(unit[e], unit[e])
        pair = embedding.emb2(torch.cat([embedding.emb(z[j]), embedding.emb(z[i])])) * fade[e]
        projections = (embedding.distance_proj1, embedding.distance_proj2, embedding.distance_proj3)
        for project, m in zip(projections, (eye, cross, outer - isotropic(outer))):
            x[j] += (project(basis[e]) * pair)[:, None, None] * m
    scales = embedding.init_norm(norm(x))
    for layer in embedding.linears_scalar:
        scales = silu(layer(scales))
    scales = scales.view(len(z), SMALL.hidden, 3).unbind(-1)
    x = sum(s[..., None, None] * m for s, m in zip(scales, mix(embedding.linears_tensor, x)))
    yield x
    for layer in network.interactions:
        x = x / (norm(x) + 1)[..., None, None]
        own = mix(layer.linears_tensor[:3], x)
        received = torch.zeros_like(x)
        filters = basis
        for linear in layer.linears_scalar:
            filters = silu(linear(filters))
        filters = (filters * fade[:, None]).view(len(edges), SMALL.hidden, 3)
        for e, (i, j) in enumerate(edges):
            for k in range(3):
                received[j] += filters[e, :, k, None, None] * own[k][i]
        product = received @ sum(own) + sum(own) @ received
        change = sum(mix(layer.linears_tensor[3:], product / (norm(product) + 1)[..., None, None]))
        x = x + change + change @ change
        yield x


@pytest.mark.parametrize("rule", ["all", "nearest-4", "index-4", "index-1"])
def test_every_layer_follows_the_formulas_of_the_paper(rule):
    encoder = jiggled(random_encoder(SMALL, 0, rule).double())
    z, pos, batch = molecules()
    centre, neighbour, _, _ = neighbours(pos, batch, SMALL.cutoff, rule).edges()
    edges = list(zip(centre.tolist(), neighbour.tolist()))
    assert rule == "all" or any((j, i) not in edges for i, j in edges)
    with torch.no_grad():
        ours = list(encoder.representation.tensors(z, encoder.graph(z, pos, batch)))
        paper = list(by_the_paper(encoder.representation, z, pos, edges))
    assert len(ours) == len(paper) == 3
    for a, b in zip(ours, paper):
        assert close(matrices(a).permute(0, 3, 1, 2), b)


def test_components_are_those_of_an_orthonormal_basis_split_by_symmetry():
    flat = BASIS.view(9, 9)
    assert torch.allclose(flat @ flat.T, torch.eye(9, dtype=torch.float64), atol=1e-15)
    m = torch.randn(2, 5, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    last = m.permute(0, 2, 3, 1)  # channels last
    split = components(last)
    assert close(matrices(split), last)
    for part, (start, stop) in zip(parts(m), ((0, 1), (1, 4), (4, 9))):
        only = torch.zeros_like(split)
        only[:, start:stop] = split[:, start:stop]
        assert close(matrices(only).permute(0, 3, 1, 2), part)
    assert close(matmul(last, last).permute(0, 3, 1, 2), m @ m)


def test_layers_are_scalars_and_vectors_before_the_last_normalisation():
    encoder = jiggled(random_encoder(SMALL, 0).double())
    network = encoder.representation
    z, pos, batch = molecules()
    turn = rotation()
    with torch.no_grad():
        x, v = encoder(z, pos, batch)
        layers = encoder.layers(z, pos, batch)
        turned = encoder.layers(z, pos @ turn.T, batch)
    assert len(layers) == SMALL.layers + 1
    for (a, b), (a2, b2) in zip(layers, turned):
        assert a.shape == (len(z), 3 * SMALL.hidden)
        assert b.shape == (len(z), 3, SMALL.hidden)
        assert close(a2, a)
        assert close(b2, torch.einsum("xy,nyc->nxc", turn, b))
    assert torch.equal(silu(network.linear(network.out_norm(layers[-1][0]))), x)
    assert torch.equal(layers[-1][1], v)


def test_every_parameter_learns_from_the_denoising_loss():
    encoder = random_encoder(SMALL, 0)
    z, pos, batch = molecules()
    encoder.denoise(z, pos.float(), batch).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad.isfinite().all(), name
        # the last scalars of the head are not read
        assert name.startswith("head.output_network.1.update_net.2") or parameter.grad.abs().max() > 0, name


def test_smooth_and_heads_make_no_difference():
    z, pos, batch = molecules()
    results = [
        random_encoder(EncoderConfig("tensornet", 2, 16, 16, 4.0, heads, smooth), 0)(z, pos.float(), batch)
        for heads, smooth in ((4, True), (4, False), (2, True))
    ]
    for x, v in results[1:]:
        assert torch.equal(x, results[0][0])
        assert torch.equal(v, results[0][1])


def test_published_names_survive_saving_and_copying(reference, tmp_path):
    published = load_encoder(reference("checkpoints/tensornet_l3_h64_rbf32_r5.pth"), neighbors="nearest-32")
    assert published.config == EncoderConfig("tensornet", 3, 64, 32, 5.0, smooth=False)
    assert published.neighbors == "nearest-32"
    assert "representation.interactions.2.linears_tensor.5.weight" in published.state_dict()
    assert published.representation.tensor_embedding.emb.weight.shape == (128, 64)
    again = load_encoder(save_encoder(published, tmp_path / "run", {}), neighbors="nearest-32")
    z, pos, batch = molecules()
    with torch.no_grad():
        x, v = published(z, pos.float(), batch)
        for encoder in (again, copy.deepcopy(published)):
            x2, v2 = encoder(z, pos.float(), batch)
            assert torch.equal(x2, x)
            assert torch.equal(v2, v)

"""The parts of the mixers against loops that say what they do."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import silu

from lib.mixers.attention import Attention
from lib.mixers.equivariant import EquivariantBlock, VectorDropout, VectorNorm
from lib.mixers.gvp import CUTOFF, GVP, Edges, SubGVP
from lib.mixers.merging import TokenMerging
from lib.models.radial import cosine_cutoff


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(a, b, tolerance=1e-12):
    return a.shape == b.shape and float((a - b).detach().abs().max()) <= tolerance


def test_attention_is_the_weighted_mean_of_values_head_by_head():
    layer = Attention(10, 3).double()
    assert layer.inner == 9
    scalars, vectors = draw(2, 5, 10), draw(2, 5, 3, 9, seed=1)
    present = torch.tensor([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0]]).bool()
    mixed, turned = layer(scalars, present, vectors)
    query, key, value = layer.query(scalars), layer.key(scalars), layer.value(scalars)
    for frame in range(2):
        there = present[frame].nonzero().flatten().tolist()
        for head in range(3):
            own = slice(3 * head, 3 * head + 3)
            for i in range(5):
                logits = torch.stack([query[frame, i, own] @ key[frame, j, own] / 3**0.5 for j in there])
                weights = logits.softmax(0)
                assert close(layer.weights(scalars, present)[frame, head, i, there], weights)
                expected = sum(w * value[frame, j, own] for w, j in zip(weights, there))
                assert close(mixed[frame, i, own], expected)
                expected = sum(w * vectors[frame, j, :, own] for w, j in zip(weights, there))
                assert close(turned[frame, i, :, own], expected)


def test_equivariant_block_is_the_formula_of_its_description():
    block, present = EquivariantBlock(8, 2, 0.0).double(), torch.ones(2, 5, dtype=torch.bool)
    scalars, vectors = draw(2, 5, 8), draw(2, 5, 3, 8, seed=1)
    s, v = block.scalar_norms[0](scalars), vectors / (vectors.norm(dim=2).square().mean(-1) + 1).sqrt()[..., None, None]
    mixed, turned = block.attention(s, present, block.vector_in(v))
    first, second = block.products.weight.chunk(2)
    dot, norm = ((v @ first.T) * (v @ second.T)).sum(2), v.norm(dim=2)
    out1, out2, out3 = block.out(mixed).split(8, -1)
    gate = torch.sigmoid(block.gate(torch.cat([dot, norm], -1)))[:, :, None]
    scalars, vectors = scalars + dot * out1 + norm * out2 + out3, vectors + gate * block.vector_out(turned)
    s, v = block.scalar_norms[1](scalars), vectors / (vectors.norm(dim=2).square().mean(-1) + 1).sqrt()[..., None, None]
    change, gate = block.contract(silu(block.expand[0](s))).split(8, -1)
    expected = scalars + change, vectors + torch.sigmoid(gate)[:, :, None] * block.turn(v)
    for found, value in zip(block(draw(2, 5, 8), draw(2, 5, 3, 8, seed=1), present), expected):
        assert close(found, value)


def test_vector_norm_lengthens_nothing():
    norm = VectorNorm(4)
    short, long = 1e-9 * draw(6, 3, 4), 1e6 * draw(6, 3, 4)
    assert close(norm(short), short, 1e-24)
    assert close(norm(long).square().sum(1).mean(-1), torch.ones(6).double(), 1e-9)


def test_vector_dropout_drops_channels_not_components():
    torch.manual_seed(0)
    vectors = torch.ones(40, 3, 5, dtype=torch.float64)
    dropped = VectorDropout(0.25).train()(vectors)
    assert close(dropped[:, 0], dropped[:, 1])
    assert close(dropped[:, 0], dropped[:, 2])
    assert set(dropped.unique().tolist()) == {0.0, 1 / 0.75}
    assert torch.equal(VectorDropout(0.25).eval()(vectors), vectors)


def test_perceptron_is_the_formula_of_its_paper():
    layer = GVP((4, 3), (5, 2)).double()
    scalars, vectors = draw(6, 4), draw(6, 3, 3, seed=1)
    hidden = vectors @ layer.first.weight.T
    before = layer.scalar(torch.cat([scalars, hidden.norm(dim=1)], -1))
    found = layer(scalars, vectors)
    assert close(found[0], before.clamp_min(0))
    assert close(found[1], hidden @ layer.second.weight.T * torch.sigmoid(layer.gate(before))[:, None])


def test_edges_are_those_of_a_loop_over_pairs():
    ca, present = 6 * draw(2, 6, 3), torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 0, 1, 0, 1]]).bool()
    ca[1, [2, 4]] = 0.0  # absent and at one point
    edges, found = Edges(ca, present), {}
    for e, (i, j) in enumerate(zip(edges.centre.tolist(), edges.neighbour.tolist())):
        found[i, j] = e
    expected = {
        (6 * f + i, 6 * f + j): ca[f, j] - ca[f, i]
        for f in range(2)
        for i in range(6)
        for j in range(6)
        if i != j and present[f, i] and present[f, j] and (ca[f, j] - ca[f, i]).norm() < CUTOFF
    }
    assert len(found) == len(edges.centre)
    assert found.keys() == expected.keys()
    messages, mean = draw(len(found), 2, seed=2), torch.zeros(12, 2, dtype=torch.float64)
    for i in range(12):
        near = [(found[pair], cosine_cutoff(step.norm(), CUTOFF)) for pair, step in expected.items() if pair[0] == i]
        mean[i] = sum(w * messages[e] for e, w in near) / (1 + sum(w for _, w in near)) if near else 0.0
    assert close(edges.mean(messages, 12), mean)
    for pair, step in expected.items():
        assert close(edges.direction[found[pair]], step / step.norm())


def test_convolutions_are_continuous_at_the_cutoff_and_finite_without_neighbours():
    stage, present = SubGVP(8, 2, 4, 0.0).double().eval(), torch.ones(1, 2, dtype=torch.bool)
    scalars, vectors = draw(1, 2, 8), draw(1, 2, 3, 8, seed=1)
    found = []
    for distance in (CUTOFF - 1e-5, CUTOFF + 1e-5, 50.0):
        ca = torch.tensor([[[0.0, 0.0, 0.0], [distance, 0.0, 0.0]]], dtype=torch.float64)
        found.append(torch.cat([x.flatten() for x in stage(scalars, vectors, ca, present)[:2]]))
    assert bool(found[2].isfinite().all())
    assert close(found[0], found[1], 1e-9)
    assert close(found[1], found[2], 0.0)


def test_merging_puts_the_tokens_of_a_window_side_by_side():
    layer, present = TokenMerging(4, 3).double(), torch.ones(1, 7, dtype=torch.bool)
    scalars, vectors, ca = draw(1, 7, 4), draw(1, 7, 3, 4, seed=1), draw(1, 7, 3, seed=2)
    present[0, 1] = False
    s, v, where, there = layer(scalars, vectors, ca, present)
    assert there.tolist() == [[True, True, True]]
    none = torch.zeros(4, dtype=torch.float64)
    assert close(s[0, 0], layer.scalar(torch.cat([scalars[0, 0], none, scalars[0, 2]])))
    assert close(s[0, 2], layer.scalar(torch.cat([scalars[0, 6], none, none])))
    for axis in range(3):
        assert close(v[0, 1, axis], layer.vector(vectors[0, 3:6, axis].flatten()))
    assert close(where[0], torch.stack([ca[0, [0, 2]].mean(0), ca[0, 3:6].mean(0), ca[0, 6]]))
    present[0, 6] = False
    assert layer(scalars, vectors, ca, present)[3].tolist() == [[True, True, False]]


def test_attention_between_many_tokens_is_that_between_few(monkeypatch):
    layer = Attention(10, 3).double()
    scalars, vectors = draw(2, 50, 10), draw(2, 50, 3, 9, seed=1)
    present = torch.arange(50).expand(2, 50) < torch.tensor([[50], [30]])
    few = layer(scalars, present, vectors)
    monkeypatch.setattr("lib.mixers.attention.FUSED", 50)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        many = layer(scalars, present, vectors)
    assert all(close(a, b) for a, b in zip(many, few))

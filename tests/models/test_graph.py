"""Neighbour rules against a search by brute force, atom by atom."""

import math

import pytest
import torch

from lib.models import graph as graph_module
from lib.models.graph import neighbours


def cloud(sizes=(1, 20, 3, 35), seed=0):
    generator = torch.Generator().manual_seed(seed)
    pos = torch.rand(sum(sizes), 3, generator=generator, dtype=torch.float64) * 8
    return pos, torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))


def brute_force(pos, batch, cutoff, rule, box=None):
    edges = set()
    kind, _, limit = rule.partition("-")
    for i in range(len(pos)):
        seen = []
        for j in range(len(pos)):
            step = [float(b - a) for a, b in zip(pos[i], pos[j])]
            if box is not None:
                step = [d - length * round(d / length) for d, length in zip(step, box)]
            distance = math.sqrt(sum(d * d for d in step))
            if batch[i] == batch[j] and distance < cutoff:
                seen.append((distance if kind == "nearest" else j, j))
        edges |= {(i, j) for _, j in sorted(seen)[: int(limit) if limit else None]}
    return edges


@pytest.mark.parametrize("rule", ["all", "nearest-1", "nearest-6", "index-6", "index-1"])
@pytest.mark.parametrize("cutoff", [2.5, 5.0])
def test_edges_are_those_of_a_search_by_brute_force(rule, cutoff):
    pos, batch = cloud()
    graph = neighbours(pos, batch, cutoff, rule)
    centre, neighbour, pair, unit = graph.edges()
    assert list(zip(centre.tolist(), neighbour.tolist())) == sorted(brute_force(pos, batch, cutoff, rule))
    step = pos[neighbour] - pos[centre]
    distance = graph.distances()[pair]
    assert torch.allclose(distance, step.norm(dim=1))
    assert torch.allclose(unit * distance.unsqueeze(1), step)
    assert torch.equal(unit[centre == neighbour], torch.zeros_like(unit[centre == neighbour]))


def test_periodic_box_gives_minimum_images():
    pos, batch = cloud((30,))
    box = torch.tensor([8.0, 9.0, 10.0])
    centre, neighbour, pair, unit = (graph := neighbours(pos, batch, 3.0, box=box)).edges()
    assert set(zip(centre.tolist(), neighbour.tolist())) == brute_force(pos, batch, 3.0, "all", box.tolist())
    step = pos[neighbour] - pos[centre]
    whole = (step - unit * graph.distances()[pair].unsqueeze(1)) / box
    assert torch.allclose(whole, whole.round(), atol=1e-12)
    assert whole.round().abs().max() == 1


def test_search_in_blocks_finds_the_same_pairs(monkeypatch):
    pos, batch = cloud()
    whole = neighbours(pos, batch, 4.0)
    monkeypatch.setattr(graph_module, "CANDIDATES", 50)
    blocks = neighbours(pos, batch, 4.0)
    assert torch.equal(whole.first, blocks.first)
    assert torch.equal(whole.second, blocks.second)


def test_a_pair_exactly_at_the_cutoff_is_out():
    pos = torch.tensor([[0.0, 0, 0], [3.0, 0, 0]])
    assert len(neighbours(pos, torch.zeros(2).long(), 3.0).first) == 0
    assert len(neighbours(pos, torch.zeros(2).long(), 3.0001).first) == 1


@pytest.mark.parametrize("rule", ["nearest", "nearest-0", "index-", "cpu-32", "all-3"])
def test_unknown_rule_is_named(rule):
    pos, batch = cloud((3,))
    with pytest.raises(ValueError, match=f"{rule}.*nearest-<n>"):
        neighbours(pos, batch, 3.0, rule)


def test_box_too_small_for_one_image_or_no_number_is_refused():
    pos, batch = cloud((3,))
    for edge in (5.0, float("nan")):
        with pytest.raises(ValueError, match=rf"box edge {edge:g} Å, expected at least twice the cutoff of 3 Å"):
            neighbours(pos, batch, 3.0, box=torch.tensor([edge, 9, 9]))


@pytest.mark.parametrize("cutoff", [1.0, 2.5, 20.0])
def test_compiled_search_finds_what_the_one_in_torch_finds(monkeypatch, cutoff):
    pytest.importorskip("numba")
    pos, batch = cloud((1, 20, 3, 35, 1, 1))
    compiled = neighbours(pos.float(), batch, cutoff)
    monkeypatch.setattr(graph_module, "COMPILED", False)
    eager = neighbours(pos.float(), batch, cutoff)
    assert torch.equal(compiled.first, eager.first)
    assert torch.equal(compiled.second, eager.second)
    assert torch.allclose(compiled.distance, eager.distance, rtol=1e-6, atol=0)
    assert torch.allclose(compiled.unit, eager.unit, rtol=0, atol=1e-6)
    assert compiled.atoms == eager.atoms == 61

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from lib.measure.cost import LiveBytes, globule, operations, peak_bytes, recorded
from lib.mixers import make_mixer


def test_peak_is_that_of_two_tensors_that_live_together():
    x = torch.ones(1000)

    def run():
        y = x + 1  # 4000
        z = y * 2  # 8000
        del y
        return z[:10] + 1  # a view has no memory of its own

    assert peak_bytes(run) == 8000


def test_memory_of_before_is_not_counted_and_freed_memory_is_given_back():
    weight = nn.Linear(100, 100)
    with LiveBytes() as counter:
        weight.weight.t().contiguous()
    assert (counter.peak, counter.live) == (40000, 0)


def test_peak_holds_what_the_backward_pass_needs():
    x = torch.randn(1000, requires_grad=True)
    layers = 5

    def run():
        y = x
        for _ in range(layers):
            y = y.exp()  # keeps its output
        y.sum().backward()

    assert 4000 * layers <= peak_bytes(run) <= 4000 * (layers + 3)


def test_plain_attention_holds_the_square_of_the_tokens_and_fused_does_not():
    mixer = make_mixer("attention", 4, 100, 1, width=8, depth=1, heads=2, dropout=0.0)

    def peak(backend, tokens):
        frame, ca = torch.randn(1, tokens, 4, 4), torch.from_numpy(globule(tokens, 0))[None]
        with sdpa_kernel(backend):
            return peak_bytes(lambda: mixer(frame, ca).sum().backward())

    square = 2 * 800**2 * 4  # of one head-by-head matrix, bytes
    assert peak(SDPBackend.MATH, 800) > 2 * square
    assert peak(SDPBackend.FLASH_ATTENTION, 800) < square
    assert peak(SDPBackend.FLASH_ATTENTION, 800) == peak(SDPBackend.FLASH_ATTENTION, 800)


def test_operations_of_a_product_and_its_gradient():
    layer, x = nn.Linear(8, 16, bias=False), torch.randn(10, 8)
    assert operations(lambda: layer(x).sum().backward()) == 2 * 2 * 10 * 8 * 16  # x itself takes no gradient


@pytest.mark.parametrize("tokens", [100, 1000])
def test_globule_is_as_dense_as_a_protein_and_a_chain(tokens):
    ca = globule(tokens, 0).astype(float)
    assert len(ca) == tokens
    assert np.linalg.norm(np.diff(ca, axis=0), axis=1).max() < 10  # steps of one lattice constant, jittered
    distance = np.linalg.norm(ca[:, None] - ca[None], axis=-1)
    assert distance[~np.eye(tokens, dtype=bool)].min() > 1
    inner = np.argsort(np.linalg.norm(ca - ca.mean(0), axis=1))[:20]
    assert 12 < (distance[inner] < 8).sum(1).mean() - 1 < 20
    assert not np.array_equal(globule(tokens, 0), globule(tokens, 1))


def test_what_was_never_recorded_is_named():
    with pytest.raises(FileNotFoundError, match=r"nothing\.json is missing"):
        recorded("nothing")

import pytest
import torch

from lib.measure.cost import peak_bytes
from lib.measure.merging import training_pass


def test_plain_and_fused_attention_give_the_same_and_plain_holds_more():
    runs = {kind: training_pass(300, 1, kind, width=16, depth=1) for kind in ("plain", "fused")}
    torch.testing.assert_close(runs["plain"](), runs["fused"](), rtol=1e-4, atol=1e-5)
    assert peak_bytes(runs["plain"]) > peak_bytes(runs["fused"]) + 8 * 300**2 * 4  # one matrix for each of eight heads


@pytest.mark.parametrize("convolution", [True, False])
def test_memory_of_plain_attention_falls_with_the_window(convolution):
    held = [peak_bytes(training_pass(900, w, "plain", convolution, width=8, depth=1)) for w in (1, 2, 4, 8)]
    assert held == sorted(held, reverse=True)
    assert held[-1] < held[0] / 3


def test_counts_repeat_and_an_unknown_kind_is_refused():
    run = training_pass(50, 2, width=8, depth=1)
    assert peak_bytes(run) == peak_bytes(run)
    assert torch.equal(run(), run())
    with pytest.raises(ValueError, match="attention is 'quick', expected one of plain, fused"):
        training_pass(50, 1, "quick", width=8)()

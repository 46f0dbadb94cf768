"""The same weights give the same features in the libraries that the architectures come from."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.models import EncoderConfig, exchange, load_encoder, random_encoder


with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit, which PyG compiles a class with
    from torch_geometric.nn.models.visnet import ViSNet, ViSNetBlock

sys.path.append(str(Path(__file__).parent))
from physics import close, jiggled, molecules


VISNET = EncoderConfig("visnet", layers=3, hidden=16, rbf=16, cutoff=4.0, heads=4, smooth=False)
ET = EncoderConfig("et", layers=3, hidden=16, rbf=16, cutoff=4.0, heads=4, smooth=False)


class Dense(torch.nn.Module):
    """All pairs within the cutoff, as the `distance` of a peer: PyG's own search needs pyg-lib."""

    def __init__(self, cutoff):
        super().__init__()
        self.cutoff = cutoff

    def forward(self, pos, batch, box=None):
        near = (torch.cdist(pos, pos) < self.cutoff) & (batch[:, None] == batch)
        neighbour, centre = near.nonzero().unbind(1)
        step = pos[neighbour] - pos[centre]
        return torch.stack([neighbour, centre]), step.norm(dim=-1), step


def pyg_twin(encoder):
    block = ViSNetBlock(**exchange.pyg_arguments(encoder.config)).double()
    block.load_state_dict(exchange.to_pyg(encoder))
    block.distance = Dense(encoder.config.cutoff)
    return block


def compare(encoder, peer, z, pos, batch):
    with torch.no_grad():
        x, v = encoder(z, pos, batch)
        x2, v2 = peer(z, pos, batch)[:2]
    assert close(x, x2, 1e-10)
    assert close(v, v2, 1e-10)
    assert float(v.abs().max()) > 0.1


def equal(a, b):
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert torch.equal(value, b[name]), name


def test_visnet_in_pyg_gives_the_same_features():
    encoder = jiggled(random_encoder(VISNET, 0).double()).eval()
    compare(encoder, pyg_twin(encoder), *molecules((7, 1, 12)))


def test_published_visnet_in_pyg_gives_the_same_features(reference):
    encoder = load_encoder(reference("checkpoints/visnet_l6_h64_rbf64_r75.pth")).double()
    golden = np.load(reference("golden/visnet_cln025heavy_full.npz"))
    z, pos = torch.from_numpy(golden["z"]), torch.from_numpy(golden["pos"][0])
    compare(encoder, pyg_twin(encoder), z, pos, torch.zeros_like(z))


def test_weights_come_back_from_a_whole_pyg_visnet():
    whole = jiggled(ViSNet(**exchange.pyg_arguments(VISNET)).double())
    state = whole.representation_model.state_dict()
    encoder = exchange.from_pyg(state, VISNET, "nearest-9")
    assert encoder.neighbors == "nearest-9"
    assert not encoder.training
    equal(exchange.to_pyg(encoder), state)
    compare(exchange.from_pyg(state, VISNET), pyg_twin(encoder), *molecules((9, 4)))


def test_the_exported_state_is_a_copy():
    encoder = random_encoder(VISNET, 0)
    exchange.to_pyg(encoder)["embedding.weight"].zero_()
    assert bool(encoder.representation.embedding.weight.any())


@pytest.fixture
def torchmd_et():
    reason = "torchmd-net is not installed: it is a peer to compare with, no dependency"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torchmdnet.models.torchmd_et", reason=reason).TorchMD_ET


@pytest.mark.parametrize("smooth", [False, True])
def test_et_in_torchmdnet_gives_the_same_features(torchmd_et, smooth):
    config = EncoderConfig("et", layers=3, hidden=16, rbf=16, cutoff=4.0, heads=4, smooth=smooth)
    encoder = jiggled(random_encoder(config, 0).double()).eval()
    peer = torchmd_et(**exchange.torchmdnet_arguments(config), dtype=torch.float64).double()
    peer.load_state_dict(exchange.to_torchmdnet(encoder))
    peer.distance = Dense(config.cutoff)
    compare(encoder, peer, *molecules((7, 1, 12)))


def test_et_with_torchmdnets_own_search_gives_the_same_features(torchmd_et):
    encoder = jiggled(random_encoder(ET, 0)).eval()
    peer = torchmd_et(**exchange.torchmdnet_arguments(ET) | {"max_num_neighbors": 64})
    peer.load_state_dict(exchange.to_torchmdnet(encoder))
    z, pos, batch = molecules((7, 1, 12))
    with torch.no_grad():
        x, v = encoder(z, pos.float(), batch)
        x2, v2 = peer(z, pos.float(), batch)[:2]
    assert close(x, x2, 2e-5)
    assert close(v, v2, 2e-5)


def test_weights_come_back_from_torchmdnet(torchmd_et):
    state = jiggled(torchmd_et(**exchange.torchmdnet_arguments(ET))).state_dict()
    equal(exchange.to_torchmdnet(exchange.from_torchmdnet(state, ET)), state)


@pytest.mark.parametrize(
    ("config", "there", "back"),
    [(VISNET, exchange.to_pyg, exchange.from_pyg), (ET, exchange.to_torchmdnet, exchange.from_torchmdnet)],
)
def test_round_trip_and_every_key_that_is_missing_or_too_many(config, there, back):
    encoder = jiggled(random_encoder(config, 0))
    state = there(encoder)
    equal(there(back(state, config)), state)
    without = {name: value for name, value in state.items() if name != "out_norm.bias"}
    with pytest.raises(ValueError, match=r"1 missing \['out_norm.bias'\] and 0 unexpected"):
        back(without, config)
    with pytest.raises(ValueError, match=r"0 missing \[\] and 1 unexpected \['head.weight'\]"):
        back(state | {"head.weight": torch.ones(1)}, config)
    with pytest.raises(ValueError, match=r"embedding.weight has shape \(128, 16\), expected \(100, 16\)"):
        back(state | {"embedding.weight": torch.ones(128, 16)}, config)
    with pytest.raises(ValueError, match="missing"):
        back({}, config)


def test_what_the_peer_does_not_have_is_refused():
    smooth = EncoderConfig("visnet", layers=3, hidden=16, rbf=16, cutoff=4.0, heads=4)
    with pytest.raises(ValueError, match=r"\(smooth\), PyG's ViSNetBlock has no such"):
        exchange.to_pyg(random_encoder(smooth, 0))
    with pytest.raises(ValueError, match="is of architecture 'visnet', the configuration of 'et'"):
        exchange.to_pyg(random_encoder(ET, 0))
    with pytest.raises(ValueError, match="is of architecture 'et', the configuration of 'visnet'"):
        exchange.from_torchmdnet({}, VISNET)

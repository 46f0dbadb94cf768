"""The same functions as our encoders, from the libraries that they come from, with the same weights."""

import torch
from torch import Tensor, nn

from lib.models import Encoder, EncoderConfig, random_encoder
from lib.models.exchange import pyg_arguments, to_pyg, to_torchmdnet, torchmdnet_arguments
from lib.models.graph import neighbours


PEERS = {"et": "torchmd-net's TorchMD_ET", "visnet": "PyG's ViSNetBlock"}


def ours(architecture: str, device: str = "cpu", **sizes) -> Encoder:
    """Our encoder with random weights (seed 0) and the published hyper-parameters, unless `sizes` says otherwise."""
    config = EncoderConfig(architecture, smooth=False, **sizes)
    encoder = random_encoder(config, seed=0).to(device).eval()
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if name.endswith("bias"):  # zero would hide the terms that a bias brings in
                parameter.normal_(0, 0.1, generator=torch.Generator(device).manual_seed(len(name)))
    return encoder


def peer(encoder: Encoder, most_neighbours: int = 1000) -> nn.Module:
    """The peer's module (z, pos, batch) -> (scalars, vectors, ...) with the weights of our encoder.

    most_neighbours: of an atom, itself included; torchmd-net sets that much memory aside for every atom. Raises
    ImportError where the peer is not installed.
    """
    make = {"et": torchmdnet_block, "visnet": pyg_block}[encoder.config.architecture]
    return make(encoder, most_neighbours).to(encoder.head.output_network[0].vec1_proj.weight.device).eval()


def torchmdnet_block(encoder: Encoder, most_neighbours: int) -> nn.Module:
    """TorchMD_ET with its own neighbour search."""
    try:
        from torchmdnet.models.torchmd_et import TorchMD_ET
    except ImportError:
        raise ImportError("torchmd-net is not installed: `pip install torchmd-net`, or --architecture visnet") from None
    block = TorchMD_ET(**torchmdnet_arguments(encoder.config) | {"max_num_neighbors": most_neighbours})
    state = to_torchmdnet(encoder)
    block.load_state_dict({"distance.box": block.distance.box} | state)
    return block


def pyg_block(encoder: Encoder, most_neighbours: int) -> nn.Module:
    """ViSNetBlock with a dense neighbour search in torch: its own needs pyg-lib, which PyPI does not have."""
    from torch_geometric.nn.models.visnet import ViSNetBlock

    block = ViSNetBlock(**pyg_arguments(encoder.config))
    block.load_state_dict(to_pyg(encoder))
    block.distance = DenseDistance(encoder.config.cutoff)
    return block


class DenseDistance(nn.Module):
    """All pairs within the cutoff and every atom with itself, as PyG's Distance gives them."""

    def __init__(self, cutoff: float):
        super().__init__()
        self.cutoff = cutoff

    def forward(self, pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """pos (atom, 3), batch (atom,) -> edge_index (2, edge), distance (edge,), vector (edge, 3)."""
        counts = torch.bincount(batch)
        start = counts.cumsum(0) - counts
        place = torch.arange(int(counts.max()), device=pos.device)
        there = place < counts.unsqueeze(1)  # (frame, place)
        padded = pos.new_full((*there.shape, 3), torch.nan)
        padded[there] = pos
        near = (padded.unsqueeze(1) - padded.unsqueeze(2)).square().sum(-1) < self.cutoff**2
        frame, centre, neighbour = near.nonzero(as_tuple=True)
        edges = torch.stack([start[frame] + neighbour, start[frame] + centre])
        vector = pos[edges[0]] - pos[edges[1]]
        return edges, vector.norm(dim=-1), vector


def most_neighbours(z: Tensor, pos: Tensor, batch: Tensor, cutoff: float) -> int:
    """Largest number of neighbours of an atom, itself included, and some to spare."""
    graph = neighbours(pos, batch, cutoff)
    return int(torch.bincount(torch.cat([graph.first, graph.second]), minlength=len(z)).max() * 1.25) + 2


@torch.no_grad()
def disagreement(encoder: Encoder, block: nn.Module, z: Tensor, pos: Tensor, batch: Tensor) -> float:
    """Largest difference of the two's scalars or vectors, relative to the largest of each."""
    pairs = zip(encoder(z, pos, batch), block(z, pos, batch)[:2])
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)

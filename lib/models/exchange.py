"""Weights to and from the libraries that the architectures come from: PyG's ViSNetBlock and torchmd-net's TorchMD_ET.

    block = ViSNetBlock(**pyg_arguments(encoder.config))
    block.load_state_dict(to_pyg(encoder))

Neither of them holds a denoising head: it stays behind on the way out and is untrained on the way in. Their graphs are
capped by default at 32 neighbours, here by neither set of arguments.
"""

import torch
from torch import Tensor

from lib.models.checkpoint import check_state
from lib.models.config import EMBEDDING_ROWS, EncoderConfig
from lib.models.encoder import Encoder, random_encoder


UNCAPPED = 100_000  # neighbours of an atom: more than there are
BOX = "distance.box"  # torchmd-net keeps the periodic cell of its search among the weights; ours comes with the atoms


def pyg_arguments(config: EncoderConfig) -> dict:
    """Arguments of torch_geometric.nn.models.visnet.ViSNetBlock that give the same function as our ViSNet.

    Raises ValueError for another architecture and for smooth vector messages, which PyG does not have.
    """
    _check_kind(config, "visnet", "PyG's ViSNetBlock")
    if config.smooth:
        raise ValueError("the encoder's vector messages fade out at the cutoff (smooth), PyG's ViSNetBlock has no such")
    return {
        "lmax": 1,
        "vertex": False,
        "vecnorm_type": "max_min",
        "trainable_vecnorm": True,
        "max_num_neighbors": UNCAPPED,
        "num_heads": config.heads,
        "num_layers": config.layers,
        "hidden_channels": config.hidden,
        "num_rbf": config.rbf,
        "cutoff": config.cutoff,
        "max_z": EMBEDDING_ROWS,
    }


def torchmdnet_arguments(config: EncoderConfig) -> dict:
    """Arguments of torchmdnet.models.torchmd_et.TorchMD_ET that give the same function as our Equivariant Transformer.

    Raises ValueError for another architecture.
    """
    _check_kind(config, "et", "torchmd-net's TorchMD_ET")
    return {
        "neighbor_embedding": False,
        "distance_influence": "both",
        "trainable_rbf": False,
        "vector_cutoff": config.smooth,
        "max_num_neighbors": UNCAPPED,
        "num_heads": config.heads,
        "num_layers": config.layers,
        "hidden_channels": config.hidden,
        "num_rbf": config.rbf,
        "cutoff_upper": config.cutoff,
        "max_z": EMBEDDING_ROWS,
    }


def to_pyg(encoder: Encoder) -> dict[str, Tensor]:
    """State dict for ViSNetBlock(**pyg_arguments(encoder.config)); ValueError where that has no equal of it."""
    pyg_arguments(encoder.config)
    return _exported(encoder)


def from_pyg(state: dict[str, Tensor], config: EncoderConfig, neighbors: str = "all") -> Encoder:
    """Our ViSNet with the weights of a ViSNetBlock, in evaluation mode and in the precision of `state`.

    state: of the block, in a whole PyG ViSNet its `representation_model`. Raises ValueError for a missing or
    unexpected key, another shape, and a configuration that PyG has no equal of.
    """
    pyg_arguments(config)
    return _imported(state, config, neighbors, "PyG's ViSNetBlock")


def to_torchmdnet(encoder: Encoder) -> dict[str, Tensor]:
    """State dict for TorchMD_ET(**torchmdnet_arguments(encoder.config)); ValueError for another architecture."""
    torchmdnet_arguments(encoder.config)
    return _exported(encoder) | {BOX: torch.zeros(3, 3)}


def from_torchmdnet(state: dict[str, Tensor], config: EncoderConfig, neighbors: str = "all") -> Encoder:
    """Our Equivariant Transformer with the weights of a TorchMD_ET, in evaluation mode and in the precision of `state`.

    state: of the representation, in a whole TorchMD_Net its `representation_model`; a periodic cell in it is left
    out. Raises ValueError for a missing or unexpected key, another shape, and another architecture.
    """
    torchmdnet_arguments(config)
    weights = {name: value for name, value in state.items() if name != BOX}
    return _imported(weights, config, neighbors, "torchmd-net's TorchMD_ET")


def _check_kind(config: EncoderConfig, kind: str, peer: str) -> None:
    if config.architecture != kind:
        raise ValueError(f"{peer} is of architecture {kind!r}, the configuration of {config.architecture!r}")


def _exported(encoder: Encoder) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in encoder.representation.state_dict().items()}


def _imported(state: dict[str, Tensor], config: EncoderConfig, neighbors: str, peer: str) -> Encoder:
    encoder = random_encoder(config, seed=0, neighbors=neighbors)
    check_state(peer, encoder.representation.state_dict(), state)
    encoder = encoder.to(state["embedding.weight"].dtype)
    encoder.representation.load_state_dict(state)
    return encoder.eval()

"""The encoder that every other part of the suite talks to: molecules in, scalars and vectors per atom out."""

import importlib

import torch
from torch import Tensor, nn

from lib.models.checks import check_geometry, check_molecules
from lib.models.config import EncoderConfig
from lib.models.graph import neighbours, parse_rule
from lib.models.heads import DenoisingHead


class Encoder(nn.Module):
    """An equivariant representation of molecules with its denoising head.

    neighbors: "all", "nearest-n" or "index-n" (see graph.neighbours). check: validate the input of every call;
    switch it off in a loop over data that was checked before.
    """

    def __init__(self, config: EncoderConfig, neighbors: str = "all", check: bool = True):
        super().__init__()
        parse_rule(neighbors)
        self.config, self.neighbors, self.check = config, neighbors, check
        self.representation = importlib.import_module(f"lib.models.{config.architecture}").Representation(config)
        self.head = DenoisingHead(config.hidden)

    def forward(self, z: Tensor, pos: Tensor, batch: Tensor, box: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z (atom,) long, pos (atom, 3) Å, batch (atom,) long ascending -> scalars (atom, H), vectors (atom, 3, H).

        Raises ValueError for input that no molecule can have.
        """
        return self.representation(z, self.graph(z, pos, batch, box))

    def denoise(self, z: Tensor, pos: Tensor, batch: Tensor, box: Tensor | None = None) -> Tensor:
        """Predicted noise on every atom (atom, 3), in units of the standard deviation of the noise."""
        return self.head(*self(z, pos, batch, box))

    def layers(self, z: Tensor, pos: Tensor, batch: Tensor, box: Tensor | None = None) -> list[tuple[Tensor, Tensor]]:
        """Scalars and vectors of the embedding and after every layer, before the last normalisation."""
        return list(self.representation.layers(z, self.graph(z, pos, batch, box)))

    def graph(self, z: Tensor, pos: Tensor, batch: Tensor, box: Tensor | None = None):
        """Neighbour graph under the encoder's rule."""
        if self.check:
            check_molecules(z, pos, batch)
        graph = neighbours(pos, batch, self.config.cutoff, self.neighbors, box)
        if self.check:
            check_geometry(graph)
        return graph


def random_encoder(config: EncoderConfig, seed: int, neighbors: str = "all") -> Encoder:
    """An untrained encoder: Xavier-uniform weights, zero biases, unit-normal element embeddings, fixed by the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = Encoder(config, neighbors)
        for module in encoder.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight)
    return encoder

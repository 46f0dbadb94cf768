"""A light host: a transformer over the residues of a protein, which sees torsions and the sequence, no distances."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lib.hosts import bases, geometry
from lib.hosts.adapter import Adapter
from lib.hosts.proteins import KINDS, Proteins


class SequenceHost(nn.Module):
    """Proteins -> (n, classes): pre-norm transformer encoder, mean over the residues, linear head."""

    def __init__(
        self,
        classes: int,
        adapter: Adapter | None = None,
        hidden: int = 64,
        blocks: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.adapter, self.hidden = adapter, hidden
        self.embedding = nn.Linear(KINDS + 6 + (adapter.width if adapter else 0), hidden)
        layer = nn.TransformerEncoderLayer(
            hidden, heads, 2 * hidden, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, blocks, nn.LayerNorm(hidden), enable_nested_tensor=False)
        self.head = nn.Linear(hidden, classes)

    def forward(self, batch: Proteins, generator: torch.Generator | None = None) -> Tensor:
        """generator: not used; hosts share one signature."""
        parts = [
            functional.one_hot(batch.kind, KINDS).to(batch.atoms.dtype),
            geometry.backbone_torsions(batch.backbone, batch.segment),
        ]
        if self.adapter is not None:
            parts.append(self.adapter(batch))
        x = self.embedding(torch.cat(parts, 1))
        counts = torch.bincount(batch.domain, minlength=len(batch))
        place = torch.arange(len(x), device=x.device) - (counts.cumsum(0) - counts)[batch.domain]
        x = x + bases.positions(place, self.hidden)
        padded = x.new_zeros(len(batch), int(counts.max()), self.hidden)
        padded[batch.domain, place] = x
        absent = torch.arange(padded.shape[1], device=x.device) >= counts[:, None]
        mixed = self.encoder(padded, src_key_padding_mask=absent)
        mixed = mixed.masked_fill(absent.unsqueeze(-1), 0).sum(1) / counts.unsqueeze(-1)
        return self.head(mixed)

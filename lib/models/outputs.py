"""Read-outs of a molecule's properties from its atoms: a sum, the dipole moment, the electronic spatial extent.

The three of TorchMD-NET (Thölke & De Fabritiis 2022, section 3.3), each two gated blocks as in PaiNN.
"""

import torch
from torch import Tensor, nn

from lib.models.config import EMBEDDING_ROWS
from lib.models.heads import GatedEquivariantBlock


class Output(nn.Module):
    """Two gated blocks: scalars (atom, hidden) and vectors (atom, 3, hidden) -> one of each for every atom."""

    def __init__(self, hidden: int):
        super().__init__()
        self.output_network = nn.ModuleList(
            [GatedEquivariantBlock(hidden, hidden // 2, True), GatedEquivariantBlock(hidden // 2, 1, False)]
        )

    def atoms(self, scalars: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """(atom,) and (atom, 3)."""
        for block in self.output_network:
            scalars, vectors = block(scalars, vectors)
        return scalars.squeeze(-1), vectors.squeeze(-1)


class ScalarSum(Output):
    """A number for every atom, summed over the molecule."""

    def forward(self, scalars: Tensor, vectors: Tensor, z: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        """Scalars (atom, hidden), vectors (atom, 3, hidden), batch (atom,) long ascending -> (molecule,)."""
        return per_molecule(self.atoms(scalars, vectors)[0], batch)


class Dipole(Output):
    """|Σ μ_i + q_i (r_i - c)| with a charge q and a dipole μ for every atom; c is the centre of mass."""

    def __init__(self, hidden: int):
        super().__init__(hidden)
        self.register_buffer("masses", atomic_masses(), persistent=False)

    def forward(self, scalars: Tensor, vectors: Tensor, z: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        """As ScalarSum, with z (atom,) and pos (atom, 3) Å -> (molecule,), not negative."""
        charges, dipoles = self.atoms(scalars, vectors)
        total = per_molecule(dipoles + charges.unsqueeze(1) * centred(self.masses[z], pos, batch), batch)
        # the floor keeps the gradient of the norm finite at 0
        return total.square().sum(1).clamp_min(1e-30).sqrt()


class SpatialExtent(Output):
    """Σ q_i |r_i - c|² with a number q for every atom; c is the centre of mass."""

    def __init__(self, hidden: int):
        super().__init__(hidden)
        self.register_buffer("masses", atomic_masses(), persistent=False)

    def forward(self, scalars: Tensor, vectors: Tensor, z: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        """As Dipole -> (molecule,)."""
        squared = centred(self.masses[z], pos, batch).square().sum(1)
        return per_molecule(self.atoms(scalars, vectors)[0] * squared, batch)


OUTPUTS = {"sum": ScalarSum, "dipole": Dipole, "extent": SpatialExtent}


def output(kind: str, hidden: int, seed: int) -> Output:
    """A new read-out with Xavier-uniform weights and zero biases fixed by the seed; ValueError for an unknown kind."""
    if kind not in OUTPUTS:
        raise ValueError(f"read-out {kind!r} is not one of {', '.join(OUTPUTS)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = OUTPUTS[kind](hidden)
        for module in made.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    return made


def per_molecule(values: Tensor, batch: Tensor) -> Tensor:
    """Sum (atom, ...) over the atoms of each molecule -> (molecule, ...)."""
    return values.new_zeros(int(batch[-1]) + 1, *values.shape[1:]).index_add(0, batch, values)


def centred(masses: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
    """Positions (atom, 3) from the centre of mass of their molecule; masses: (atom,)."""
    masses = masses.to(pos.dtype).unsqueeze(1)
    centre = per_molecule(masses * pos, batch) / per_molecule(masses, batch)
    return pos - centre[batch]


def atomic_masses() -> Tensor:
    """(EMBEDDING_ROWS,) float64, in u, by atomic number; row 0 is 0."""
    from rdkit.Chem import GetPeriodicTable

    weight = GetPeriodicTable().GetAtomicWeight
    return torch.tensor([0.0, *(weight(z) for z in range(1, EMBEDDING_ROWS))], dtype=torch.float64)

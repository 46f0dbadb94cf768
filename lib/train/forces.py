"""Energies and forces of one molecule's dynamics; forces are minus the gradient of the energy, so it is conserved."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn

from lib.data.loader import Batch, Loader
from lib.data.molecules import SPLITS, MoleculeSet
from lib.models import Encoder
from lib.models.outputs import ScalarSum, output
from lib.train.finetune import Recipe
from lib.train.plateau import train


ENERGY, FORCES = "energy_eV", "forces_eV_A"


class ForceField(nn.Module):
    """An encoder with a summed scalar read-out times `scale`: an energy whose zero is that of the training mean."""

    def __init__(self, encoder: Encoder, read: ScalarSum, scale: float):
        super().__init__()
        self.encoder, self.read, self.scale = encoder, read, scale

    def energy(self, z: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        """(molecule,) eV."""
        return self.scale * self.read(*self.encoder(z, pos, batch), z, pos, batch)

    def forward(self, batch: Batch, learn: bool = False) -> tuple[Tensor, Tensor]:
        """Energy (molecule,) eV and forces (atom, 3) eV/Å; learn: keep what a gradient of the forces needs."""
        with torch.enable_grad():
            pos = batch.pos.detach().requires_grad_()
            energy = self.energy(batch.z, pos, batch.batch)
            (gradient,) = torch.autograd.grad(energy.sum(), pos, create_graph=learn)
        return energy, -gradient


def loss(model: ForceField, batch: Batch, generator: torch.Generator, weights: tuple[float, float]) -> Tensor:
    """Weighted mean squared errors of energies (eV) and of force components (eV/Å), in units of the scale."""
    energy, forces = model(batch, learn=True)
    squared = (energy - batch.molecule[ENERGY]).square().mean(), (forces - batch.atom[FORCES]).square().mean()
    return (weights[0] * squared[0] + weights[1] * squared[1]) / model.scale**2


def errors(model: ForceField, loader: Loader) -> tuple[Tensor, Tensor]:
    """Of every frame: energy error (n,) eV, with its sign, and force errors (n, atom, 3) eV/Å, of one molecule."""
    energies, forces = [], []
    for batch in loader.in_order():
        energy, force = (x.detach() for x in model(batch))
        energies.append(energy - batch.molecule[ENERGY])
        forces.append((force - batch.atom[FORCES]).view(len(energy), -1, 3))
    return torch.cat(energies), torch.cat(forces)


def chosen(molecules: MoleculeSet, split: np.ndarray, limits: dict[str, int | None]) -> dict[str, np.ndarray]:
    """Frames of each part, ascending; a limit takes that many at even distances, so that none of the time is left out.

    split: (n,) uint8. Raises ValueError for an empty part.
    """
    found = {}
    for part, name in enumerate(SPLITS):
        rows = np.flatnonzero(split == part)
        if not len(rows):
            raise ValueError(f"the split has no frames for {name}")
        if (limit := limits.get(name)) and limit < len(rows):
            rows = rows[np.linspace(0, len(rows) - 1, limit).round().astype(int)]
        found[name] = rows
    return found


def fit(
    encoder: Encoder,
    molecules: MoleculeSet,
    rows: dict[str, np.ndarray],
    recipe: Recipe,
    weights: tuple[float, float],
    seed: int,
    state: Path,
    device: str = "cpu",
) -> dict:
    """Train an encoder (see `finetune.begin`) on frames of one molecule; tested with the best epoch's weights.

    molecules: all frames, of one composition, with energy_eV and forces_eV_A; rows: by `chosen`. weights: of energies
    and forces in the loss. Gives {"forces": (n_test,) mean absolute component error of each frame in meV/Å, "energies":
    (n_test,) absolute errors in meV, "history", "validation", "parameters"}. Raises ValueError for labels that are
    missing and for frames of different molecules.
    """
    check(molecules)
    energy = np.asarray(molecules.molecule[ENERGY], float)
    # float32 steps by 1 meV at 10,000 eV: the mean goes before it is one
    shifted = {ENERGY: energy - energy[rows["train"]].mean()}
    own = replace(molecules, molecule=shifted, atom={FORCES: molecules.atom[FORCES]})
    scale = float(np.sqrt(np.mean(np.square(own.take(rows["train"]).atom[FORCES], dtype=float))))
    sides = {side: Loader(own, each, recipe.batch_size, seed, device) for side, each in rows.items()}
    model = ForceField(encoder, output("sum", encoder.config.hidden, seed), scale).to(device)

    def evaluate(m: ForceField) -> float:
        energies, forces = errors(m, sides["validation"])
        return float(weights[0] * energies.square().mean() + weights[1] * forces.square().mean()) / scale**2

    history = train(model, partial(loss, weights=weights), evaluate, sides["train"], recipe.schedule(), seed, state)
    energies, forces = errors(model, sides["test"])
    return {
        "forces": 1000 * forces.abs().mean((1, 2)).cpu(),
        "energies": 1000 * energies.abs().cpu(),
        "history": history,
        "validation": min(record["validation"] for record in history),
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }


def check(molecules: MoleculeSet) -> None:
    """Raise ValueError unless the set is frames of one molecule with energies and forces."""
    if ENERGY not in molecules.molecule or FORCES not in molecules.atom:
        has = ", ".join(sorted([*molecules.molecule, *molecules.atom])) or "no labels"
        raise ValueError(f"the set needs {ENERGY} and {FORCES}, and has {has}")
    size = int(molecules.sizes[0])
    if (molecules.sizes != size).any() or (molecules.z.reshape(-1, size) != molecules.z[:size]).any():
        raise ValueError("the frames are of different molecules, expected the same atoms in the same order in each")


def novelty(molecules: MoleculeSet, rows: dict[str, np.ndarray]) -> np.ndarray:
    """(n_test,) Å, root mean square difference of interatomic distances to the nearest training frame."""
    size = int(molecules.sizes[0])
    first, second = np.triu_indices(size, 1)
    pos = {part: molecules.take(rows[part]).pos.reshape(-1, size, 3) for part in ("train", "test")}
    apart = {part: np.linalg.norm(x[:, first] - x[:, second], axis=-1) for part, x in pos.items()}
    nearest = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(apart["train"])
    return nearest.kneighbors(apart["test"])[0][:, 0] / np.sqrt(len(first))

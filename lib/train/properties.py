"""Properties of whole molecules: what is subtracted, which read-out learns them, how a fit is made and tested."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lib.data import composition
from lib.data.loader import Batch, Loader
from lib.data.molecules import SPLITS, MoleculeSet
from lib.models import Encoder
from lib.models.outputs import Output, output
from lib.train import denoise
from lib.train.finetune import Recipe
from lib.train.plateau import train


@dataclass(frozen=True)
class Property:
    """output: kind of read-out. unit: of reported errors. factor: of one stored unit. energy: an atoms' part is
    subtracted before it is learned."""

    output: str
    unit: str
    factor: float = 1.0
    energy: bool = False


ENERGY, LEVEL = Property("sum", "meV", 1000.0, True), Property("sum", "meV", 1000.0)
PROPERTIES = {  # by name in lib.fields
    "mu_D": Property("dipole", "D"),
    "alpha_a03": Property("sum", "a0³"),
    "homo_eV": LEVEL,
    "lumo_eV": LEVEL,
    "gap_eV": LEVEL,
    "r2_a02": Property("extent", "a0²"),
    "zpve_eV": LEVEL,
    "u0_eV": ENERGY,
    "u_eV": ENERGY,
    "h_eV": ENERGY,
    "g_eV": ENERGY,
    "cv_cal_mol_K": Property("sum", "cal/(mol K)"),
    "energy_eV": ENERGY,
    "atomization_eV": ENERGY,
}
REFERENCES = ("fitted", "free atoms")


@dataclass(frozen=True)
class Target:
    """A property as a network learns it: shift + scale * read-out approximates `values`, (n,) float64.

    values: less the part of the atoms where one is subtracted. composition_error: mean absolute error on the test part
    of the best linear function of the composition, in the reported unit: what no network may fall short of.
    """

    name: str
    values: np.ndarray
    shift: float
    scale: float
    composition_error: float

    @property
    def property(self) -> Property:
        """Its read-out and units."""
        return PROPERTIES[self.name]


def prepare(molecules: MoleculeSet, name: str, split: np.ndarray, reference: str = "fitted") -> Target:
    """Subtract and scale one property by its training part alone; split: (n,) uint8.

    reference: of energies. "free atoms" are those of QM9, and what is left is learned as it is, in eV (TorchMD-NET);
    "fitted" is the linear function of the composition. All others, and what "fitted" leaves, are standardised; dipole
    and extent, which are not negative, are only scaled. Raises ValueError for an unknown property or reference, a set
    without the property, a value that is not finite, values that are all the same, and an element that no training
    molecule has.
    """
    if name not in PROPERTIES or reference not in REFERENCES:
        raise ValueError(
            f"property {name!r} by reference {reference!r}, expected one of {', '.join(PROPERTIES)} "
            f"by one of {', '.join(REFERENCES)}"
        )
    if name not in molecules.molecule:
        raise ValueError(f"the set has no {name}; it has {', '.join(sorted(molecules.molecule))}")
    values, kind = np.asarray(molecules.molecule[name], float), PROPERTIES[name]
    if not np.isfinite(values).all():
        raise ValueError(f"{(~np.isfinite(values)).sum()} values of {name} are not finite")
    training = molecules.take(np.flatnonzero(split == SPLITS.index("train")))
    fitted = composition.fit(training.z, training.offsets, training.molecule[name])
    atoms = composition.of_atoms(molecules.z, molecules.offsets, fitted)
    test = split == SPLITS.index("test")
    baseline = kind.factor * float(np.abs(values - atoms)[test].mean())
    if kind.energy and reference == "free atoms":
        if name not in composition.PLACES:
            raise ValueError(
                f"free atoms are known for the energies of QM9, not for {name}; use the reference 'fitted'"
            )
        left = values - composition.of_atoms(molecules.z, molecules.offsets, composition.atomref(name))
        return Target(name, left, 0.0, 1.0, baseline)
    left = values - atoms if kind.energy else values
    own = left[split == SPLITS.index("train")]
    shift = float(own.mean()) if kind.output == "sum" else 0.0
    scale = float(np.sqrt(np.mean((own - shift) ** 2)))
    if scale == 0:
        raise ValueError(f"{name} is the same for all {len(own)} training molecules, expected something to learn")
    return Target(name, left, shift, scale, baseline)


class PropertyModel(nn.Module):
    """An encoder with a read-out. Batches that bring the features of their atoms are not encoded again."""

    def __init__(self, encoder: Encoder, read: Output, shift: float, scale: float):
        super().__init__()
        self.encoder, self.read, self.shift, self.scale = encoder, read, shift, scale

    def features(self, batch: Batch, pos: Tensor) -> tuple[Tensor, Tensor]:
        """Scalars (atom, H) and vectors (atom, 3, H)."""
        if "scalars" in batch.atom:
            return batch.atom["scalars"], batch.atom["vectors"]
        return self.encoder(batch.z, pos, batch.batch)

    def forward(self, batch: Batch, pos: Tensor, features: tuple[Tensor, Tensor]) -> Tensor:
        """The property (molecule,), less the part that was subtracted."""
        return self.shift + self.scale * self.read(*features, batch.z, pos, batch.batch)


def loss(
    model: PropertyModel, batch: Batch, generator: torch.Generator, name: str, noise: float = 0.0, weight: float = 0.1
) -> Tensor:
    """Mean squared error in units of the scale.

    noise: Å, of the positions, which the denoising head has to predict as well; `weight` is that task's (noisy nodes,
    Godwin et al. 2022; PvD fine-tunes with 0.005 Å and 0.1).
    """
    pos = batch.pos
    if noise:
        pos, drawn = denoise.displace(pos, noise, generator, batch.before, batch.after)
    features = model.features(batch, pos)
    value = ((model(batch, pos, features) - batch.molecule[name]) / model.scale).square().mean()
    return value + weight * (model.encoder.head(*features) - drawn).square().mean() if noise else value


@torch.no_grad()
def errors(model: PropertyModel, loader: Loader, name: str) -> Tensor:
    """Absolute error (n,) of each molecule in the stored unit."""
    parts = [
        (model(batch, batch.pos, model.features(batch, batch.pos)) - batch.molecule[name]).abs()
        for batch in loader.in_order()
    ]
    return torch.cat(parts)


@torch.no_grad()
def remember(loader: Loader, encoder: Encoder) -> None:
    """Let the loader hand out the features of its atoms: a frozen encoder sees each molecule once.

    They take 16 bytes an atom and channel on the loader's device: 10 GB for all of QM9 and 256 channels.
    """
    parts = zip(*(encoder(batch.z, batch.pos, batch.batch) for batch in loader.in_order()))
    loader.atom |= dict(zip(("scalars", "vectors"), map(torch.cat, parts)))


def fit(
    encoder: Encoder,
    molecules: MoleculeSet,
    split: np.ndarray,
    target: Target,
    recipe: Recipe,
    seed: int,
    state: Path,
    limit: int | None = None,
    noise: float = 0.0,
    device: str = "cpu",
) -> dict:
    """Train an encoder (see `finetune.begin`) with a new read-out on one property, and test its best epoch.

    limit: so many training molecules, drawn at random and the same for every seed. Gives {"errors": (n_test,) absolute
    errors in the reported unit, "history": one record an epoch, "validation": best error, "parameters": trained ones}.
    """
    kind = target.property
    own = replace(molecules, split=split, molecule={target.name: target.values}, atom={})
    chosen = {side: own.of_split(side) for side in SPLITS}
    chosen["train"] = np.random.default_rng(0).permutation(chosen["train"])[:limit]
    sides = {side: Loader(own, rows, recipe.batch_size, seed, device) for side, rows in chosen.items()}
    read = output(kind.output, encoder.config.hidden, seed)
    model = PropertyModel(encoder, read, target.shift, target.scale).to(device)
    if not any(p.requires_grad for p in encoder.parameters()):
        noise = 0.0  # nothing of the encoder could learn from it
        for loader in sides.values():
            remember(loader, encoder.eval())
    history = train(
        model,
        partial(loss, name=target.name, noise=noise),
        lambda m: kind.factor * float(errors(m, sides["validation"], target.name).mean()),
        sides["train"],
        recipe.schedule(),
        seed,
        state,
    )
    return {
        "errors": kind.factor * errors(model, sides["test"], target.name).cpu(),
        "history": history,
        "validation": min(record["validation"] for record in history),
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }

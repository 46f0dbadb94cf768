"""Two tests of what a network can tell apart (Joshi et al. 2023, arXiv 2301.09308, section 5), as P3 uses them.

A k-fold pair is one symmetric structure in two orientations. Whatever a rotation-equivariant network that does not
know the order of the atoms makes of it has the same symmetry, so that a vector summed over its atoms vanishes in the
plane: with vectors alone no such network can name the orientation, for any k >= 2, depth and width.

A k-chain pair differs in the relative orientation of its two ends, k + 1 bonds apart. A network that passes messages
between near atoms must be deep enough to bring both ends together at one atom; one that sees all atoms need not.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from lib.mixers.equivariant import VectorNorm
from lib.mixers.mixer import Mixer, make_mixer
from lib.models import Encoder, EncoderConfig, random_encoder


RADIUS = 5.0  # Å, of a k-fold ring: 32 atoms on it are 1 Å apart
SPACING = 1.54  # Å, a carbon-carbon bond, between neighbours in a chain
TIE = 1e-6  # difference of logits below which rounding alone decides
JITTER = 1e-9  # Å, far above rounding and far below anything that could be measured
CARBON = 6
CUTOFF = 7.5  # Å, of the encoders


def k_fold_pair(k: int, angle: float) -> Tensor:
    """An atom with k others around it, and the same turned by `angle` (radians) about the axis: (2, k + 1, 3) Å.

    Float64. Raises ValueError unless k >= 2 and 0 < angle < 2 pi / k, beyond which the structure repeats.
    """
    if k < 2 or not 0 < angle < 2 * math.pi / k:
        raise ValueError(f"{k} folds turned by {angle:g}, expected at least 2 folds and an angle between 0 and 2π/k")
    around = torch.arange(k, dtype=torch.float64) * (2 * math.pi / k)
    turned = torch.stack([around, around + angle])
    ring = RADIUS * torch.stack([turned.cos(), turned.sin(), torch.zeros_like(turned)], dim=-1)
    return torch.cat([torch.zeros(2, 1, 3, dtype=torch.float64), ring], dim=1)


def k_chain_pair(k: int) -> Tensor:
    """k atoms in a line with an end on either side, ends on opposite sides or on the same: (2, k + 2, 3) Å, float64.

    Raises ValueError unless k >= 1.
    """
    if k < 1:
        raise ValueError(f"a chain of {k} atoms, expected at least 1")
    line = torch.zeros(k, 3, dtype=torch.float64)
    line[:, 1] = SPACING * torch.arange(k)
    begin = line[:1] + SPACING * torch.tensor([-0.8, -0.6, 0.0])
    ends = [line[-1:] + SPACING * torch.tensor([side, 0.6, 0.0]) for side in (0.8, -0.8)]
    return torch.stack([torch.cat([begin, line, end]) for end in ends])


def layers_needed(k: int, cutoff: float) -> int:
    """Layers of message passing after which some atom's scalars depend on both ends of a k-chain.

    A layer carries a direction from every atom within `cutoff` Å; one more makes scalars of what has arrived. Found
    by following the ends through the graph.
    """
    pos = k_chain_pair(k)[0]
    near = torch.cdist(pos, pos) < cutoff
    reached = torch.eye(k + 2, dtype=torch.bool)[[0, k + 1]]
    for layer in range(1, k + 3):
        reached = (reached.double() @ near.double()) > 0
        if bool(reached.all(0).any()):
            return layer + 1
    raise ValueError(f"cutoff {cutoff:g} Å leaves the {k}-chain in pieces, expected more than {SPACING:g} Å")


class EncoderBody(nn.Module):
    """An encoder on carbon atoms; `numbered` makes every atom an element of its own instead."""

    def __init__(self, encoder: Encoder, numbered: bool = False):
        super().__init__()
        self.encoder, self.numbered = encoder, numbered

    def forward(self, pos: Tensor) -> tuple[Tensor, Tensor]:
        """pos (frame, atom, 3) Å -> scalars (frame, atom, H), vectors (frame, atom, 3, H)."""
        frames, atoms = pos.shape[:2]
        z = torch.arange(1, atoms + 1) if self.numbered else torch.full((atoms,), CARBON)
        batch = torch.arange(frames).repeat_interleave(atoms)
        scalars, vectors = self.encoder(z.repeat(frames), pos.flatten(0, 1), batch)
        return scalars.unflatten(0, (frames, atoms)), vectors.unflatten(0, (frames, atoms))


class MixerBody(nn.Module):
    """The equivariant part of a mixer on one token an atom: what a frozen encoder makes of the atom's surroundings."""

    def __init__(self, encoder: Encoder, mixer: Mixer):
        super().__init__()
        self.encoder, self.mixer = EncoderBody(encoder).requires_grad_(False), mixer

    def tokens(self, pos: Tensor) -> Tensor:
        """pos (frame, atom, 3) Å -> (frame, atom, 4, H)."""
        scalars, vectors = self.encoder(pos)
        return torch.cat([scalars.unsqueeze(2), vectors], dim=2)

    def forward(self, pos: Tensor) -> tuple[Tensor, Tensor]:
        """pos (frame, atom, 3) Å -> scalars (frame, atom, W), vectors (frame, atom, 3, W)."""
        return self.mixer.equivariant(self.tokens(pos), pos, torch.ones(pos.shape[:2], dtype=torch.bool))[:2]


class Harmonic(nn.Module):
    """What a tensor of order k knows of an atom and a vector does not: the k-th harmonic of its direction.

    No learned part: it shows that an orientation can be named. Its vectors are 0.
    """

    def __init__(self, order: int):
        super().__init__()
        self.order = order

    def forward(self, pos: Tensor) -> tuple[Tensor, Tensor]:
        """pos (frame, atom, 3) Å -> scalars (frame, atom, 2), in the xy plane about the centre, and vectors."""
        x, y, _ = (pos - pos.mean(1, keepdim=True)).unbind(-1)
        power = (torch.complex(x, y) / RADIUS) ** self.order
        return torch.view_as_real(power), pos.new_zeros(*pos.shape, 2)


class Classifier(nn.Module):
    """Two logits from the mean scalars of a frame's atoms and, if `oriented`, the components of their mean vectors.

    components: of a channel, with the scalar; more than 4 for a body that has tensors of higher order beside vectors.
    """

    def __init__(self, body: nn.Module, width: int, oriented: bool, components: int = 4):
        super().__init__()
        self.body, self.oriented = body, oriented
        self.head = nn.Sequential(nn.Linear(width * (components if oriented else 1), 32), nn.SiLU(), nn.Linear(32, 2))

    def features(self, pos: Tensor) -> Tensor:
        """pos (frame, atom, 3) Å -> what the logits are made of (frame, W) or (frame, components W)."""
        scalars, vectors = self.body(pos)
        mean = scalars.mean(1)
        return torch.cat([mean, vectors.mean(1).flatten(1)], dim=-1) if self.oriented else mean

    def forward(self, pos: Tensor) -> Tensor:
        """pos (frame, atom, 3) Å -> (frame, 2)."""
        return self.head(self.features(pos))


def encoder_classifier(
    architecture: str, layers: int, width: int, oriented: bool, seed: int, numbered: bool = False
) -> Classifier:
    """An untrained encoder with a cutoff of 7.5 Å and a classifier on its atoms, float64."""
    encoder = random_encoder(EncoderConfig(architecture, layers, width, width, CUTOFF), seed)
    return seeded(EncoderBody(encoder, numbered), width, oriented, seed)


def mixer_classifier(
    name: str,
    depth: int,
    width: int,
    oriented: bool,
    seed: int,
    pair: Tensor,
    numbered: bool = False,
    floor: float = 1.0,
) -> Classifier:
    """A mixer on the tokens of an untrained one-layer encoder, calibrated on the pair (2, atom, 3) Å, float64.

    numbered: the tokens know their place in the sequence. floor: that of every VectorNorm; near 0, vectors are brought
    to unit length however short they are.
    """
    encoder = random_encoder(EncoderConfig("et", 1, width, width, CUTOFF), seed)
    mixer = make_mixer(name, width, pair.shape[1], 1, width, depth, positions=numbered, dropout=0.0, seed=seed)
    for norm in (m for m in mixer.modules() if isinstance(m, VectorNorm)):
        norm.floor = floor
    model = seeded(MixerBody(encoder, mixer), width, oriented, seed)
    mixer.embedding.calibrate(model.body.tokens(pair), pair)
    return model


def seeded(body: nn.Module, width: int, oriented: bool, seed: int, components: int = 4) -> Classifier:
    """A classifier in float64 whose head is fixed by the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Classifier(body, width, oriented, components).double()


def fit_pair(model: Classifier, pair: Tensor, epochs: int, learning_rate: float) -> np.ndarray:
    """Train on two structures (2, atom, 3), one of each class: accuracy (epoch,) on the same, in per cent."""
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    history = []
    for _ in range(epochs):
        optimiser.zero_grad(set_to_none=True)
        logits = model(pair)
        history.append(accuracy(logits))
        nn.functional.cross_entropy(logits, torch.arange(2)).backward()
        optimiser.step()
    return np.array(history)


def accuracy(logits: Tensor) -> float:
    """Per cent of right answers to two structures, logits (2, 2), by chance 50; a tie up to TIE is half right."""
    margin = (logits.diagonal() - logits.flip(1).diagonal()).detach()
    return 100 * float(((margin > TIE) + 0.5 * (margin.abs() <= TIE)).mean())


@torch.no_grad()
def accuracy_elsewhere(model: Classifier, pair: Tensor, moves: int, seed: int) -> float:
    """Mean accuracy on copies of a k-fold pair: moved aside by about 1 Å, its ring listed from another atom on, and
    every coordinate changed by about 1e-9 Å.

    Nothing that matters has changed. What a network had learned from the order of atoms or from rounding errors is
    lost here.
    """
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    found = []
    for _ in range(moves):
        shift = int(torch.randint(1, pair.shape[1] - 1, (1,), generator=generator))
        listed = torch.cat([pair[:, :1], pair[:, 1:].roll(shift, 1)], dim=1)
        found.append(accuracy(model(listed + draw(3) + JITTER * draw(*pair.shape))))
    return float(np.mean(found))

"""What a VAMPnet is fed with: distances, torsions, or the tokens of a frozen encoder, (frame, d) float32 each."""

from itertools import combinations

import numpy as np

from lib.data.trajectories import System
from lib.dynamics import geometry
from lib.embed import all_tokens
from lib.models import load_encoder, random_encoder


GEOMETRIC = {
    "ca": geometry.ca_distances,
    "closest": geometry.closest_distances,
    "contacts": geometry.contacts,
    "torsions": geometry.torsion_features,
    "sidechains": geometry.sidechain_features,
}
BLOCK = 100_000_000  # frames x atoms² at a time: a frame may have as many distances as it has pairs of atoms


def make_features(
    name: str,
    system: System,
    stride: int = 1,
    jobs: int = 1,
    *,
    seed: int = 0,
    like: str | None = None,
    neighbors: str = "all",
) -> list[np.ndarray]:
    """Features (frame, d) float32 of every trajectory of a system.

    name: "distances" (Å, all pairs of the selected heavy atoms), "ca", "closest", "contacts", "torsions",
    "sidechains" (see lib.dynamics.geometry; of all atoms, whatever the selection), "tokens_<encoder>" with a
    checkpoint's name or path, the authors' files included, or "random": the tokens of an encoder with the
    architecture of the checkpoint `like` and weights drawn from `seed`. neighbors: the encoder's rule. jobs: processes
    for tokens; no result depends on it. Raises ValueError for an unknown name or a system that has no such feature.
    """
    if name in GEOMETRIC:
        return [_by_blocks(GEOMETRIC[name], system, i, stride) for i in range(len(system.paths))]
    if name == "distances":
        return [_by_blocks(None, system, i, stride) for i in range(len(system.paths))]
    if name == "random":
        if like is None:
            raise ValueError("random features need `like`, the checkpoint whose architecture they take")
        encoder = random_encoder(load_encoder(like).config, seed, neighbors)
    elif name.startswith("tokens_"):
        encoder = load_encoder(name.removeprefix("tokens_"), neighbors=neighbors)
    else:
        known = ", ".join(["distances", *GEOMETRIC, "tokens_<encoder>", "random"])
        raise ValueError(f"there is no feature {name!r}, expected one of {known}")
    return [token_invariants(tokens) for tokens in all_tokens(encoder, system, stride, jobs)]


def _by_blocks(function, system: System, trajectory: int, stride: int) -> np.ndarray:
    """`function` of the frames of one trajectory, or the distances; the memory holds a block of them at a time."""
    stream, z = system.stream(trajectory, stride), system.z
    step = max(1, BLOCK // system.topology.n_atoms**2)
    blocks = [(start, min(start + step, len(stream))) for start in range(0, len(stream), step)]
    if function is None:
        return np.concatenate([pair_distances(stream.read(*block), z) for block in blocks])
    return np.concatenate([function(stream.trajectory(*block)) for block in blocks])


def pair_distances(pos: np.ndarray, z: np.ndarray) -> np.ndarray:
    """(frame, pair) Å distances between all heavy atoms, from pos (frame, atom, 3) Å and z (atom,).

    The inputs of the baseline VAMPnet (Mardt et al. 2018, P1's comparison). Raises ValueError for fewer than two
    heavy atoms.
    """
    heavy = np.flatnonzero(z > 1)
    if len(heavy) < 2:
        raise ValueError(f"{len(heavy)} heavy atoms in a selection of {len(z)} atoms, expected at least 2")
    first, second = np.array(list(combinations(heavy, 2))).T
    return np.linalg.norm(pos[:, first] - pos[:, second], axis=-1).astype(np.float32)


def token_invariants(tokens: np.ndarray) -> np.ndarray:
    """(frame, residue 2H) rotation-invariant read-out of tokens (frame, residue, 4, H): scalars and vector norms."""
    if tokens.ndim != 4 or tokens.shape[2] != 4:
        raise ValueError(f"tokens have the shape {tokens.shape}, expected (frame, residue, 4, H)")
    norms = np.linalg.norm(tokens[:, :, 1:], axis=2)
    return np.concatenate([tokens[:, :, 0], norms], axis=-1).reshape(len(tokens), -1).astype(np.float32)


def lag_in_frames(lag_ps: float, system: System, stride: int = 1) -> int:
    """A lag in frames of every `stride`-th frame; ValueError unless it is a whole number of them."""
    lag = lag_ps / (system.frame_ps * stride)
    if round(lag) < 1 or abs(lag - round(lag)) > 1e-6:
        raise ValueError(
            f"lag {lag_ps:g} ps is {lag:g} frames of {system.name}, expected a whole number: "
            f"frames are stored every {system.frame_ps:g} ps and the stride is {stride}"
        )
    return round(lag)

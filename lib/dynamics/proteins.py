"""One protein by the protocol of P2: distances, and mixers on frozen and on random tokens, held out alike."""

from dataclasses import dataclass

import numpy as np

from lib.data.anchors import anchors
from lib.data.trajectories import System
from lib.dynamics.crossvalidation import Fold, blocks, cross_validate
from lib.dynamics.features import lag_in_frames, make_features
from lib.dynamics.mixing import token_network, with_positions
from lib.dynamics.vampnet import Settings
from lib.embed import all_tokens
from lib.mixers import matched_width
from lib.models import load_encoder, random_encoder


@dataclass(frozen=True)
class Protocol:
    """What is the same for all features of a protein.

    lag_ps: a multiple of stride times the frame interval. parts: into which a single trajectory is cut, each held out
    once; several trajectories are held out whole. mixers: label -> options of `make_mixer`, of about `parameters`
    learned numbers each. neighbors: the encoder's rule.
    """

    lag_ps: float
    stride: int
    parts: int
    seeds: list[int]
    settings: Settings
    mixers: dict[str, dict]
    parameters: int
    neighbors: str = "all"
    jobs: int = 1


def compare(system: System, encoder: str, protocol: Protocol) -> dict[str, list[Fold]]:
    """Folds by feature: "distances" (of CA atoms), each mixer on tokens of the encoder, and "<mixer>, random".

    Random weights are drawn anew for each seed. Raises ValueError for a lag that is no number of frames, or
    trajectories too short for it.
    """
    lag = lag_in_frames(protocol.lag_ps, system, protocol.stride)
    trained = load_encoder(encoder, neighbors=protocol.neighbors)
    places = anchors(system)
    ca = [system.positions(i, protocol.stride)[:, places] for i in range(len(system.paths))]

    def folds(features: list[np.ndarray], seeds: list[int], **network) -> list[Fold]:
        cut = features if len(features) > 1 else blocks(features, protocol.parts, lag)
        return cross_validate(cut, lag, seeds, protocol.settings, jobs=protocol.jobs, **network)

    def tokens(model) -> list[np.ndarray]:
        every = all_tokens(model, system, protocol.stride, protocol.jobs)
        return [with_positions(each, where) for each, where in zip(every, ca)]

    found = {"distances": folds(make_features("ca", system, protocol.stride), protocol.seeds)}
    size = {"channels": trained.config.hidden, "tokens": len(places), "outputs": protocol.settings.outputs}
    networks, known = {}, tokens(trained)
    for label, options in protocol.mixers.items():
        given = {"name": label} | options
        given["width"] = matched_width(target=protocol.parameters, **size, **given)
        networks[label] = token_network(positions=True, **given)
        found[label] = folds(known, protocol.seeds, network=networks[label])
        found[f"{label}, random"] = []
    for seed in protocol.seeds:  # one set of random tokens in memory at a time
        random = tokens(random_encoder(trained.config, seed, protocol.neighbors))
        for label, network in networks.items():
            found[f"{label}, random"] += folds(random, [seed], network=network)
    return found

"""One protein by the protocol of P2: distances, and mixers on frozen and on random tokens, held out alike."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from joblib import Parallel, delayed

from lib.data.anchors import anchors
from lib.data.trajectories import System
from lib.dynamics import refinement, spib
from lib.dynamics.clustering import kmeans
from lib.dynamics.crossvalidation import Fold, blocks, cross_validate
from lib.dynamics.features import lag_in_frames, make_features
from lib.dynamics.mixing import token_network, with_positions
from lib.dynamics.validation import singular_functions
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

    def cut(self, features: list[np.ndarray], lag: int) -> list[np.ndarray]:
        """What is held out in turn: the trajectories (frame, ...), or the parts of a single one."""
        return features if len(features) > 1 else blocks(features, self.parts, lag)

    def ca(self, system: System) -> list[np.ndarray]:
        """Positions (frame, residue, 3) Å of the CA atoms of all trajectories."""
        places = anchors(system)
        return [system.positions(i, self.stride)[:, places] for i in range(len(system.paths))]

    def tokens(self, model, system: System, ca: list[np.ndarray]) -> list[np.ndarray]:
        """Tokens of all trajectories with these positions of their CA atoms, see `with_positions`."""
        return [with_positions(*pair) for pair in zip(all_tokens(model, system, self.stride, self.jobs), ca)]

    def network(self, name: str, channels: int, system: System, outputs: int, **options):
        """The lobe of a mixer with about `parameters` learned numbers."""
        size = {"channels": channels, "tokens": len(anchors(system)), "outputs": outputs}
        width = matched_width(name, self.parameters, **size, **options)
        return token_network(name, positions=True, width=width, **options)


def compare(system: System, encoder: str, protocol: Protocol) -> dict[str, list[Fold]]:
    """Folds by feature: "distances" (of CA atoms), each mixer on tokens of the encoder, and "<mixer>, random".

    Random weights are drawn anew for each seed. Raises ValueError for a lag that is no number of frames, or
    trajectories too short for it.
    """
    lag = lag_in_frames(protocol.lag_ps, system, protocol.stride)
    trained = load_encoder(encoder, neighbors=protocol.neighbors)

    def folds(features: list[np.ndarray], seeds: list[int], **network) -> list[Fold]:
        return cross_validate(protocol.cut(features, lag), lag, seeds, protocol.settings, jobs=protocol.jobs, **network)

    found = {"distances": folds(make_features("ca", system, protocol.stride), protocol.seeds)}
    ca = protocol.ca(system)
    networks, known = {}, protocol.tokens(trained, system, ca)
    for label, options in protocol.mixers.items():
        given = {"name": label} | options
        networks[label] = protocol.network(
            given.pop("name"), trained.config.hidden, system, protocol.settings.outputs, **given
        )
        found[label] = folds(known, protocol.seeds, network=networks[label])
        found[f"{label}, random"] = []
    for seed in protocol.seeds:  # one set of random tokens in memory at a time
        random = protocol.tokens(random_encoder(trained.config, seed, protocol.neighbors), system, ca)
        for label, network in networks.items():
            found[f"{label}, random"] += folds(random, [seed], network=network)
    return found


def bottleneck(
    system: System, encoder: str, protocol: Protocol, mixer: str, clusters: int, settings: spib.Settings
) -> dict[str, list[dict]]:
    """SPIB by feature, "distances" (of CA atoms) and the mixer on the encoder's tokens: one record a held-out part and
    seed, {loss, cross_entropy, kl} in nats on the fit's own states of that part, states, failed.

    Initial labels are the same for both: `clusters` of the leading singular functions of the distances, found without
    the part that is held out. Such losses compare only where the states do (P2 compares them nevertheless). Raises
    ValueError as `compare`.
    """
    lag = lag_in_frames(protocol.lag_ps, system, protocol.stride)
    trained = load_encoder(encoder, neighbors=protocol.neighbors)
    distances = protocol.cut(make_features("ca", system, protocol.stride), lag)
    tokens = protocol.cut(protocol.tokens(trained, system, protocol.ca(system)), lag)
    lobe = protocol.network(mixer, trained.config.hidden, system, settings.outputs)

    def others(features: list[np.ndarray], test: int) -> list[np.ndarray]:
        return [each for i, each in enumerate(features) if i != test]

    cases, starts = list(product(protocol.seeds, range(len(distances)))), {}
    for test in range(len(distances)):
        leading = [f[:, : protocol.settings.outputs] for f in singular_functions(others(distances, test), lag)]
        starts |= {(seed, test): kmeans(leading, clusters, seed, sample=50_000) for seed in protocol.seeds}

    def record(features: list[np.ndarray], test: int, seed: int, start: list[np.ndarray], network: dict) -> dict:
        found = refinement.fit(others(features, test), start, lag, seed, settings, **network)
        terms = refinement.evaluate(found, [features[test]], lag)
        return {**terms, "states": found.states, "failed": bool(found.failed)}

    return {
        name: Parallel(n_jobs=protocol.jobs)(
            delayed(record)(features, test, seed, starts[seed, test], network) for seed, test in cases
        )
        for name, features, network in (("distances", distances, {}), (mixer, tokens, {"network": lobe}))
    }

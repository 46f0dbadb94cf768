"""How much of each kind of descriptor is in a set of features: probes, similarities and their metrics."""

from dataclasses import dataclass

import numpy as np

from lib.measure import metric
from lib.measure.probes import Fit, bootstrap, held_out, score, sums
from lib.measure.similarity import cka, held_out_cca, hsic, shifted
from lib.measure.stats import percentile_interval


Parts = list[np.ndarray]  # `probes.sums` of one kind of descriptor, one (block, 4, k) a trajectory


@dataclass(frozen=True)
class Targets:
    """Descriptors to read off features, for each kind one (frame, k) a trajectory; the bootstrap's block, in frames."""

    columns: dict[str, list[np.ndarray]]
    block: int

    def shifted(self, seed: int) -> "Targets":
        """The same series, turned against the frames: what chance gives (see `similarity.shifted`)."""
        generator = np.random.default_rng(seed)
        return Targets({name: shifted(each, generator) for name, each in self.columns.items()}, self.block)

    def probe(self, features: list[np.ndarray], fit: Fit) -> dict[str, Parts]:
        """Sums of squares, for every kind, of predictions from features (frame, d), whole trajectories held out."""
        widths = [each[0].shape[1] for each in self.columns.values()]
        edges = np.cumsum([0, *widths])
        truth = [np.concatenate(each, axis=1) for each in zip(*self.columns.values())]
        found = held_out(features, truth, fit)
        return {
            name: sums([f[:, a:b] for f in found], [t[:, a:b] for t in truth], self.block)
            for name, a, b in zip(self.columns, edges, edges[1:])
        }

    def similarity(self, features: list[np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
        """CKA and held-out CCA with every kind: measure -> kind -> (trajectory,)."""
        own = [hsic(f, f) for f in features]
        return {
            "CKA": {n: np.array([cka(*each) for each in zip(features, t, own)]) for n, t in self.columns.items()},
            "CCA": held_out_cca(features, self.columns),
        }


def explained(runs: list[Parts], draws: int) -> dict:
    """A metric: R² of one probe, or the mean over runs of one kind, with its bootstrap interval."""
    drawn = bootstrap(runs, draws)
    return metric.interval(score(runs), *percentile_interval(drawn), len(runs), "", metric.SPREAD * drawn.std())


def gain(new: list[Parts], old: list[Parts], draws: int) -> dict:
    """A metric: R² of the new runs minus that of the old ones, on the same redrawn blocks."""
    drawn = bootstrap(new, draws) - bootstrap(old, draws)
    value = score(new) - score(old)
    return metric.interval(value, *percentile_interval(drawn), max(len(new), len(old)), "", metric.SPREAD * drawn.std())


def chance(runs: list[Parts], tolerance: float = 0.1) -> dict:
    """A metric: mean R² over shifted copies, with a t-interval over them."""
    return metric.estimate([score([run]) for run in runs], tolerance=tolerance)

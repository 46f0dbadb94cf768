"""How many metastable states the data support: a rule on numbers, not an eye on a plot.

The rule: among the numbers n whose slowest n - 1 processes are *resolved* (the 95 % interval of the fastest of them
lies above the lag), whose states were all *seen* (each was entered at least twice, from core to core), and whose last
state makes *held-out* data more predictable (their VAMP-2 of the partition rises), the one with the largest spectral
gap t(n - 1) / t(n). Below a gap of 1.5 it is called a choice.
"""

from dataclasses import dataclass

import numpy as np

from lib.dynamics.groups import Groups
from lib.dynamics.resampling import bootstrap_markov
from lib.dynamics.transitions import cores, count_transitions
from lib.dynamics.validation import MarkovModel, chapman_kolmogorov, largest_deviation, markov_model
from lib.dynamics.vamp import cross_validated_score
from lib.measure.stats import percentile_interval


CLEAR = 1.5  # a smaller gap separates nothing
ENTRIES = 2  # a state entered once may be an accident
MARKOVIAN = 0.1  # largest difference in probability of a Chapman-Kolmogorov test that passes


@dataclass(frozen=True)
class Candidate:
    """One number of states. timescale: of process states - 1, frames, with its 95 % interval over redrawn
    blocks; gap: over the next one.

    score: held-out VAMP-2 of the partition, the mean over groups; gain: (group,) over one state fewer. smallest: the
    least population; entries: how often the least entered state was. deviation: of the Chapman-Kolmogorov test.
    """

    model: MarkovModel
    states: int
    timescale: float
    low: float
    high: float
    gap: float
    score: float
    gain: np.ndarray
    smallest: float
    entries: int
    deviation: float

    @property
    def objection(self) -> str:
        """Why this number does not qualify; "" where it does."""
        if not min(self.low, self.timescale) > self.model.lag:
            return "its fastest process is not resolved"
        if not np.isfinite(self.gap):
            return "no faster process is known"
        if self.entries < ENTRIES:
            return f"a state was entered {self.entries} times"
        if not self.gain.mean() > 0:
            return "held-out data are no more predictable"
        return ""


def models_by_states(
    outputs: list[np.ndarray], lag: int, most: int, clusters: int, samples: int
) -> dict[int, MarkovModel]:
    """A Markov model of the same clusters for each number of states from 2 to `most`, or to what they connect.

    Raises ValueError where not even two states are connected.
    """
    models = {}
    for count in range(2, most + 1):
        try:
            models[count] = markov_model(outputs, lag, count, clusters, samples)
        except ValueError:
            if not models:
                raise
            break
    return models


def one_hot(states: list[np.ndarray], count: int) -> list[np.ndarray]:
    """(frame, count - 1) indicators of all states but the first, which follows from the others; -1 is none."""
    return [(s[:, None] == np.arange(1, count)).astype(float) for s in states]


def held_out_scores(model: MarkovModel, count: int, groups: Groups) -> np.ndarray:
    """(group,) VAMP-2 of the partition, singular functions from the other groups, as GMRQ (McGibbon & Pande 2015).

    The partition itself has seen all data; only its dynamics are held out.
    """
    cut = groups.cut(one_hot(model.states, count))
    return np.array([cross_validated_score(*groups.sides(cut, g), model.lag) for g in range(len(groups.groups))])


def candidates(models: dict[int, MarkovModel], groups: Groups, samples: int = 20) -> list[Candidate]:
    """One entry for each number of states -> model, in ascending order."""
    found, before = [], np.ones(len(groups.groups))
    for count, model in sorted(models.items()):
        scale = model.posterior.prior.timescales(count)
        redrawn = bootstrap_markov(model.clusters, model.lag, count, samples)[:, count - 2]
        low, high = percentile_interval(redrawn[np.isfinite(redrawn)])
        scores = held_out_scores(model, count, groups)
        gap = scale[count - 2] / scale[count - 1] if len(scale) >= count else float("nan")
        deviation = largest_deviation(chapman_kolmogorov(model, samples=samples))
        slowest, smallest = float(scale[count - 2]), float(model.populations.min())
        gain, entries = scores - before, int(count_transitions(cores(model), count).sum(0).min())
        found.append(
            Candidate(model, count, slowest, low, high, gap, scores.mean(), gain, smallest, entries, deviation)
        )
        before = scores
    return found


def choose_states(found: list[Candidate], wanted: int = 0) -> tuple[Candidate, str]:
    """The candidate that the rule takes, and why, in a sentence; the fewest states where none qualifies.

    wanted: what the user asked for instead; ValueError where it is not among the candidates.
    """
    if wanted:
        own = [c for c in found if c.states == wanted]
        if not own:
            raise ValueError(f"{wanted} states asked for, expected at most the {found[-1].states} that are connected")
        return own[0], f"{wanted} states, as you asked. By the rule: {choose_states(found)[1]}"
    fit = [c for c in found if not c.objection]
    if not fit:
        return found[0], (
            f"No number of states qualifies: {found[0].states} are shown, although {found[0].objection}. "
            "Do not report them."
        )
    best = max(fit, key=lambda c: c.gap)
    others = f"the largest of {len(fit)} that qualify" if len(fit) > 1 else "the only one that qualifies"
    clear = (
        f"Its gap of {best.gap:.1f} is {others}."
        if best.gap >= CLEAR
        else f"No gap reaches {CLEAR:g} (the largest is {best.gap:.2f}): {best.states} is a choice, not a finding."
    )
    markov = (
        f"Chapman-Kolmogorov holds within {best.deviation:.3f}."
        if best.deviation <= MARKOVIAN
        else f"Its Chapman-Kolmogorov test fails ({best.deviation:.2f} in probability): not Markovian at this lag."
    )
    return best, f"{best.states} states. {clear} {markov}"

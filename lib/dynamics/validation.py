"""Do learned functions describe the dynamics? Implied timescales, Chapman-Kolmogorov test, states. All by deeptime.

A VAMPnet is only a transform, so each check fits a linear VAMP model or a Markov state model on its outputs.
"""

from dataclasses import dataclass

import numpy as np
from deeptime.decomposition import VAMP
from deeptime.markov import TransitionCountEstimator
from deeptime.markov._observables import MembershipsObservable
from deeptime.markov.msm import BayesianMSMPosterior, MarkovStateModel, MaximumLikelihoodMSM
from deeptime.markov.tools.estimation.dense.tmat_sampling.tmatrix_sampler import TransitionMatrixSampler
from deeptime.util.validation import ChapmanKolmogorovTest, ImpliedTimescales, ck_test, implied_timescales
from threadpoolctl import threadpool_limits

from lib.dynamics.clustering import kmeans


EPSILON = 1e-8  # deeptime's cutoffs are absolute: outputs are scaled to unit variance before it sees them


def unit_variance(outputs: list[np.ndarray]) -> list[np.ndarray]:
    """The same outputs (frame, k), each column with mean 0 and variance 1; constant columns stay 0."""
    joined = np.concatenate(outputs)
    spread = joined.std(0)
    return [(o - joined.mean(0)) / np.where(spread > 0, spread, 1) for o in outputs]


def singular_functions(outputs: list[np.ndarray], lag: int) -> list[np.ndarray]:
    """Leading singular functions (frame, k) of outputs (frame, k) at a lag in frames, slowest first."""
    scaled = unit_variance(outputs)
    model = VAMP(lagtime=lag, epsilon=EPSILON, scaling=None).fit_fetch(scaled)
    return [np.atleast_2d(model.transform(s)) for s in scaled]


def timescales(outputs: list[np.ndarray], lags: list[int], processes: int) -> ImpliedTimescales:
    """Implied timescales -lag / ln(sigma), in frames, of linear VAMP on outputs (frame, k) at each lag in frames.

    They are flat in the lag where the outputs hold the slow processes. Raises ValueError for fewer than two lags.
    """
    if len(lags) < 2:
        raise ValueError(f"lags {lags}, expected at least two, or there is no plateau to see")
    scaled = unit_variance(outputs)
    models = [VAMP(lagtime=lag, epsilon=EPSILON).fit_fetch(scaled) for lag in lags]
    return implied_timescales(models, n_its=processes)


def plateau_rise(curve: np.ndarray) -> float:
    """Slowest timescale at the longest lag over that at the shortest, from (lag, process): 1 is Markovian."""
    return float(curve[-1, 0] / curve[0, 0])


@dataclass
class MarkovModel:
    """A Bayesian Markov state model on clusters of learned functions, and its metastable states.

    clusters: list of (frame,) ints. states: list of (frame,) ints, from 0 by rising population; -1 outside the
    connected set. populations: (state,) stationary; 0 for a state that no cluster belongs to most. memberships:
    (connected cluster, state), how much a cluster belongs to each state (PCCA+), rows sum to 1.
    """

    clusters: list[np.ndarray]
    states: list[np.ndarray]
    populations: np.ndarray
    memberships: np.ndarray
    posterior: BayesianMSMPosterior
    lag: int


def bayesian_msm(clusters: list[np.ndarray], lag: int, samples: int, seed: int) -> BayesianMSMPosterior:
    """Posterior over reversible transition matrices of the largest connected set, from counts thinned by the lag."""
    counts = TransitionCountEstimator(lag, count_mode="sliding-effective").fit_fetch(clusters).submodel_largest()
    prior = MaximumLikelihoodMSM().fit_fetch(counts)
    steps = int(np.sqrt(counts.n_states_full))  # between draws, to decorrelate them: the choice of deeptime
    # deeptime's BayesianMSM makes the same draws, but takes no seed.
    sampler = TransitionMatrixSampler(
        prior.count_model.count_matrix, reversible=True, P0=prior.transition_matrix, n_steps=steps, seed=seed
    )
    drawn = zip(*sampler.sample(samples, return_statdist=True))
    posterior = [
        MarkovStateModel(matrix, stationary_distribution=pi, reversible=True, count_model=prior.count_model)
        for matrix, pi in drawn
    ]
    return BayesianMSMPosterior(prior, posterior)


def markov_model(
    outputs: list[np.ndarray], lag: int, states: int, clusters: int = 40, samples: int = 50, seed: int = 0
) -> MarkovModel:
    """k-means on the singular functions of outputs (frame, k), a Bayesian MSM on the clusters, PCCA+ to `states`.

    lag in frames. Raises ValueError when the connected set has fewer clusters than states are asked for.
    """
    functions = singular_functions(outputs, lag)
    assigned = kmeans(functions, clusters, seed)
    with threadpool_limits(1):
        posterior = bayesian_msm(assigned, lag, samples, seed)
        msm = posterior.prior
        if msm.n_states < states:
            raise ValueError(f"{msm.n_states} connected clusters at lag {lag}, expected at least {states} states")
        pcca = msm.pcca(states)
    populations = np.bincount(pcca.assignments, weights=msm.stationary_distribution, minlength=states)
    order = np.argsort(populations, kind="stable")
    names = np.full(clusters, -1)
    names[msm.count_model.state_symbols] = np.argsort(order)[pcca.assignments]
    named = [names[a] for a in assigned]
    return MarkovModel(assigned, named, populations[order], pcca.memberships[:, order].copy(), posterior, lag)


def model_of_states(labels: list[np.ndarray], lag: int, samples: int = 50, seed: int = 0) -> MarkovModel:
    """A Bayesian MSM of states that are given, labels (frame,) from 0 on, as those of SPIB; each is its own cluster.

    lag in frames. Raises ValueError when fewer than two states are connected at this lag.
    """
    with threadpool_limits(1):
        posterior = bayesian_msm(labels, lag, samples, seed)
    msm, count = posterior.prior, 1 + max(int(x.max()) for x in labels)
    if msm.n_states < 2:
        raise ValueError(f"{msm.n_states} of {count} states is connected at lag {lag}, expected at least 2")
    symbols = msm.count_model.state_symbols
    populations, names = np.zeros(count), np.full(count, -1)
    populations[symbols], names[symbols] = msm.stationary_distribution, symbols
    states = [names[x] for x in labels]
    return MarkovModel(labels, states, populations, np.eye(count)[symbols], posterior, lag)


def markov_timescales(
    labels: list[np.ndarray], lags: list[int], processes: int, samples: int = 50, seed: int = 0
) -> ImpliedTimescales:
    """Implied timescales, in frames, of a Bayesian MSM of labels (frame,) at each lag in frames, with its samples.

    Raises ValueError for fewer than two lags.
    """
    if len(lags) < 2:
        raise ValueError(f"lags {lags}, expected at least two, or there is no plateau to see")
    with threadpool_limits(1):
        return implied_timescales([bayesian_msm(labels, lag, samples, seed) for lag in lags], n_its=processes)


def metastability(model: MarkovModel) -> float:
    """Mean probability of a connected state to be found again a lag later: 1 for states that are never left."""
    return float(np.diagonal(model.posterior.prior.transition_matrix).mean())


def chapman_kolmogorov(
    model: MarkovModel, multiples: tuple[int, ...] = (2, 3, 4), samples: int = 50, seed: int = 0
) -> ChapmanKolmogorovTest:
    """P(lag)^n against P(n lag) between metastable states, at n = 1 and `multiples`, with Bayesian intervals."""
    later = [bayesian_msm(model.clusters, n * model.lag, samples, seed) for n in multiples]
    # deeptime's own msm.ck_test would number the states anew.
    observable = MembershipsObservable(model.posterior, model.memberships, ignore_imaginary_parts=True)
    with threadpool_limits(1):
        return ck_test([model.posterior, *later], observable, test_model=model.posterior)


def largest_deviation(test: ChapmanKolmogorovTest) -> float:
    """Largest difference in probability between predicted and estimated transitions; 0 is Markovian."""
    return float(np.abs(test.predictions - test.estimates).max())

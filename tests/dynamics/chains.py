"""Markov chains with known kinetics, sampled, and models made of an exact transition matrix."""

import numpy as np
from deeptime.markov import TransitionCountModel
from deeptime.markov.msm import BayesianMSMPosterior, MarkovStateModel

from lib.dynamics.validation import MarkovModel


def sample(matrix, frames, seed):
    """(frame,) states of a chain, from state 0 on."""
    rng = np.random.default_rng(seed)
    draws, steps, state = rng.random(frames), np.cumsum(matrix, 1), np.zeros(frames, int)
    for t in range(1, frames):
        state[t] = min(np.searchsorted(steps[state[t - 1]], draws[t]), len(matrix) - 1)
    return state


def outputs(states, noise, seed):
    """(frame, states - 1) outputs that tell the states (frame,) apart, with Gaussian noise."""
    count = states.max() + 1
    centres = np.eye(count)[:, 1:]
    return centres[states] + noise * np.random.default_rng(seed).standard_normal((len(states), count - 1))


def exact_model(matrix, state_of, lag=1, clusters=()):
    """A MarkovModel of this reversible matrix (cluster, cluster), whose clusters belong to states `state_of`."""
    matrix = np.asarray(matrix, float)
    value, vector = np.linalg.eig(matrix.T)
    weight = np.real(vector[:, np.argmax(value.real)])
    weight = weight / weight.sum()
    counts = TransitionCountModel(weight[:, None] * matrix * 1e6, lagtime=lag)
    msm = MarkovStateModel(matrix, weight, reversible=True, count_model=counts)
    memberships = np.eye(max(state_of) + 1)[list(state_of)]
    states = [np.asarray(state_of)[c] for c in clusters]
    return MarkovModel(
        list(clusters), states, memberships.T @ weight, memberships, BayesianMSMPosterior(msm, [msm, msm]), lag
    )


def random_reversible(size, seed):
    """(size, size) transition matrix that obeys detailed balance, mostly staying."""
    rng = np.random.default_rng(seed)
    rates = rng.random((size, size)) * 0.1
    rates = rates + rates.T + np.diag(rng.random(size) * 5)
    return rates / rates.sum(1, keepdims=True)

"""Systems whose kinetics are known: Markov chains and autoregressive noise exactly, a diffusion in four wells by its
wells. What estimators and networks are checked against.
"""

import numpy as np
from deeptime.data import quadruple_well
from deeptime.markov.msm import MarkovStateModel


def metastable_chain(states: int, stay: float) -> np.ndarray:
    """Transition matrix stay 1 + (1 - stay) / k, (k, k): all its relaxations decay as stay^lag."""
    if states < 2 or not 0 < stay < 1:
        raise ValueError(
            f"{states} states that stay with probability {stay}, expected at least 2 and a value in (0, 1)"
        )
    return stay * np.eye(states) + (1 - stay) / states


def exact_vamp2(transitions: np.ndarray, lag: int) -> float:
    """VAMP-2 of the indicator functions of a stationary chain (k, k) at a lag in steps, constant included.

    ||D^(1/2) P^lag D^(-1/2)||_F^2 with the stationary distribution on the diagonal of D (Wu & Noé, arXiv 1707.04659).
    """
    root = np.sqrt(MarkovStateModel(transitions).stationary_distribution)
    later = np.linalg.matrix_power(transitions, lag)
    return float(np.square(root[:, None] * later / root).sum())


def simulate_chain(transitions: np.ndarray, frames: int, trajectories: int, seed: int) -> list[np.ndarray]:
    """States (frame,) of a chain (k, k) in several trajectories that start from its stationary distribution."""
    model = MarkovStateModel(transitions)
    starts = np.random.default_rng(seed).choice(len(transitions), trajectories, p=model.stationary_distribution)
    return [model.simulate(frames, start=int(s), seed=1000 * seed + i) for i, s in enumerate(starts)]


def autoregressive(frames: int, rho: np.ndarray, seed: int) -> np.ndarray:
    """(frame, d) stationary Gaussian noise of unit variance, whose d columns decay as rho^lag, independently.

    Exact, per frame: the mean is 0, C00 = Ctt = 1 and C0t = diag(rho^lag). rho: (d,) in [0, 1).
    """
    random, rho = np.random.default_rng(seed), np.asarray(rho, dtype=float)
    if not ((rho >= 0) & (rho < 1)).all():
        raise ValueError(f"rho {rho}, expected values in [0, 1)")
    x = random.standard_normal((frames, len(rho)))
    x[1:] *= np.sqrt(1 - rho**2)
    for t in range(1, frames):
        x[t] += rho * x[t - 1]
    return x


def four_wells(frames: int, trajectories: int, seed: int, steps: int = 100) -> list[np.ndarray]:
    """(frame, 2) float32 trajectories of overdamped Langevin dynamics in V = (x^2 - 1)^2 + (y^2 - 1)^2, at beta = 4.

    deeptime's integrator, `steps` of 0.001 a frame. A frame of 0.1 is about the relaxation in a well; a barrier of
    4 kT is crossed every few hundred frames.
    """
    system = quadruple_well(h=1e-3, n_steps=steps)
    starts = np.random.default_rng(seed).choice([-1.0, 1.0], (trajectories, 2))
    return [
        system.trajectory(start[None], frames, seed=1000 * seed + i, n_jobs=1).reshape(frames, 2).astype(np.float32)
        for i, start in enumerate(starts)
    ]


def well(positions: np.ndarray) -> np.ndarray:
    """The well 0 to 3 of each position (frame, 2) in the four-well potential."""
    return 2 * (positions[:, 0] > 0) + (positions[:, 1] > 0)

"""What states say of a side chain that the backbone does not: conditional mutual information, and its control.

I(S; R | B) of states S and rotamers R given a class B of the backbone, by counting, in nats. Counting is biased
upward, and both S and R move slowly; the control has the same bias: R moved in time among the frames of one class.
"""

import mdtraj
import numpy as np


CHIS = (mdtraj.compute_chi1, mdtraj.compute_chi2, mdtraj.compute_chi3, mdtraj.compute_chi4)


def rotamers(frames: mdtraj.Trajectory) -> dict[str, np.ndarray]:
    """name, such as "LEU2 chi1" -> (frame,) int64 rotamer: 0 around 60 deg, 1 around 180, 2 around -60."""
    found = {}
    for number, compute in enumerate(CHIS, start=1):
        atoms, angles = compute(frames)
        for quartet, angle in zip(atoms, angles.T):
            residue = frames.topology.atom(int(quartet[1])).residue
            found[f"{residue} chi{number}"] = (np.degrees(angle) % 360 // 120).astype(np.int64)
    return found


def conditional_information(states: np.ndarray, others: np.ndarray, given: np.ndarray) -> float:
    """I(states; others | given) in nats, of three (frame,) series of ints from 0, by counting.

    Raises ValueError for series of other lengths.
    """
    if not len(states) == len(others) == len(given) > 0:
        raise ValueError(
            f"series of {len(states)}, {len(others)} and {len(given)} frames, expected three of one length"
        )
    shape = tuple(int(x.max()) + 1 for x in (states, others, given))
    joint = np.bincount(np.ravel_multi_index((states, others, given), shape), minlength=np.prod(shape)).reshape(shape)
    joint = joint / len(states)
    s_given, o_given, alone = joint.sum(1, keepdims=True), joint.sum(0, keepdims=True), joint.sum((0, 1), keepdims=True)
    kept = joint > 0
    ratio = (joint * alone)[kept] / (s_given * o_given)[kept]
    return float((joint[kept] * np.log(ratio)).sum())


def moved_within(others: np.ndarray, given: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The series moved in time, round the end, among the frames of each class, by 10 to 90 % of them: what lasts
    still lasts, and how often it comes with each class is the same.
    """
    moved = others.copy()
    for group in np.unique(given):
        rows = np.flatnonzero(given == group)
        shift = round(len(rows) * random.uniform(0.1, 0.9))
        moved[rows] = np.roll(others[rows], shift)
    return moved


def information_and_control(
    states: np.ndarray, others: np.ndarray, given: np.ndarray, draws: int = 20, seed: int = 0
) -> tuple[float, float]:
    """I(states; others | given) and the mean of it over `draws` controls, nats."""
    random = np.random.default_rng(seed)
    control = [conditional_information(states, moved_within(others, given, random), given) for _ in range(draws)]
    return conditional_information(states, others, given), float(np.mean(control))

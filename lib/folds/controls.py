"""What a comparison with pre-trained tokens has to rule out: arms that fill the same slot with something else."""

import numpy as np

from lib.data.domains import DomainSet
from lib.folds.windows import Windows, atoms_of


ARMS = {
    "none": "an empty slot",
    "random": "tokens of the same encoder with random weights, drawn anew for each seed",
    "pretrained": "tokens of the pre-trained encoder",
    "permuted": "the pre-trained tokens, dealt to residues at random",
    "counts": "how many atoms of each element the window holds, one-hot",
}
ELEMENTS = {1: 0.375, 6: 0.28125, 7: 0.140625, 8: 0.140625, 16: 0.0625}  # atomic number: share of the slot's channels


def permuted(tokens: np.ndarray, seed: int) -> np.ndarray:
    """The rows of tokens (R, T) in an order that only the seed decides: the same values, on the wrong residues."""
    return tokens[np.random.default_rng(seed).permutation(len(tokens))]


def atom_counts(domains: DomainSet, windows: Windows, channels: int) -> np.ndarray:
    """(R, channels) float16: one-hot of the number of H, C, N, O and S atoms in what the token of a residue sums.

    A number above the channels of its element counts as the largest. Raises ValueError below 16 channels.
    """
    if channels < 16:
        raise ValueError(f"{channels} channels, expected at least 16 for five one-hot counts")
    every = np.arange(len(domains.kind))
    index, window, summed = atoms_of(domains, windows, every)
    found, start = np.zeros((len(every), channels), np.float16), 0
    for number, share in ELEMENTS.items():
        size = int(channels * share)
        count = np.bincount(window, weights=(domains.z[index] == number) & summed, minlength=len(every)).astype(int)
        found[every, start + np.minimum(count, size - 1)] = 1
        start += size
    return found

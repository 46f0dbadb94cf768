import itertools

import numpy as np
import pytest

from lib.data.batches import by_atoms, share, shuffled


def greedy(sizes, budget):
    """by_atoms as a plain loop, in numbers of molecules."""
    runs = [[]]
    for i, size in enumerate(sizes):
        if runs[-1] and sum(sizes[j] for j in runs[-1]) + size > budget:
            runs.append([])
        runs[-1].append(i)
    return runs


@pytest.mark.parametrize("seed", range(20))
def test_by_atoms_against_a_plain_loop(seed):
    random = np.random.default_rng(seed)
    sizes, budget = random.integers(1, 12, random.integers(1, 40)), int(random.integers(1, 40))
    assert [run.tolist() for run in by_atoms(np.arange(len(sizes)), sizes, budget)] == greedy(sizes.tolist(), budget)


def test_every_epoch_has_as_many_batches():
    sizes = np.random.default_rng(0).integers(3, 30, 500)
    assert len({len(shuffled(sizes, None, 100, seed)) for seed in range(10)}) == 1


@pytest.mark.parametrize("seed", range(20))
def test_shares_are_the_whole_batch(seed):
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 50, 100) ** random.integers(1, 3)  # now and then one molecule dwarfs the others
    picked, ranks = random.permutation(100)[: random.integers(4, 30)], int(random.integers(1, 5))
    shares = [share(picked, sizes, rank, ranks) for rank in range(ranks)]
    assert np.concatenate([s.picked for s in shares]).tolist() == picked.tolist()
    assert sum(s.part for s in shares) == pytest.approx(1)
    held = [sizes[s.picked].sum() for s in shares]
    assert min(len(s.picked) for s in shares) >= 1
    assert [s.before for s in shares] == [0, *itertools.accumulate(held[:-1])]
    assert all(s.before + own + s.after == sum(held) for s, own in zip(shares, held))


def test_shares_are_about_equal():
    sizes = np.random.default_rng(0).integers(10, 30, 200)
    held = [sizes[share(np.arange(200), sizes, rank, 4).picked].sum() for rank in range(4)]
    assert max(held) - min(held) <= 2 * sizes.max()


def test_more_ranks_than_molecules_repeat_the_batch():
    for rank in range(3):
        whole = share(np.array([5, 2]), np.full(9, 4), rank, 3)
        assert (whole.picked.tolist(), whole.before, whole.after, whole.part) == ([5, 2], 0, 0, 1 / 3)

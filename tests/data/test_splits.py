import numpy as np
import pytest

from lib.data.splits import at_random, by_parent, by_scaffold, by_time, murcko


def test_sizes_of_the_usual_split_of_qm9():
    split = at_random(130_831, 110_000, 10_000, 0)
    assert np.bincount(split).tolist() == [110_000, 10_000, 10_831]
    assert (split == at_random(130_831, 110_000, 10_000, 0)).all()
    assert (split != at_random(130_831, 110_000, 10_000, 1)).any()


def test_conformers_of_a_parent_share_a_side():
    parent = np.random.default_rng(0).integers(0, 200, 2000) * 10**15
    for held_out in ((0.1, 0.05), (20, 10)):
        split = by_parent(parent, held_out, 0)
        sides = [set(split[parent == p].tolist()) for p in np.unique(parent)]
        assert [sum(side == {k} for side in sides) for k in range(3)] == [170, 20, 10]


def test_too_few_molecules():
    with pytest.raises(ValueError, match="some left to train on"):
        by_parent(np.arange(10), (5, 5), 0)
    with pytest.raises(ValueError, match="some left for the test"):
        at_random(100, 90, 10, 0)


@pytest.mark.parametrize(
    ("smiles", "scaffold"),
    [
        ("CCO", ""),
        ("CC(=O)Nc1ccc(O)cc1", "c1ccccc1"),
        ("c1ccccc1CCc1ccncc1", "c1ccc(CCc2ccncc2)cc1"),
        ("OC1CC1", "C1CC1"),
        ("C[C@H]1CCO1", "C1COC1"),
    ],
)
def test_known_scaffolds(smiles, scaffold):
    assert murcko(smiles) == scaffold


def test_what_is_no_smiles():
    with pytest.raises(ValueError, match="'C1CC' is no SMILES"):
        murcko("C1CC")


def groups(seed=0):
    """1,000 molecules: 300 without rings, some large scaffolds and many small ones."""
    random = np.random.default_rng(seed)
    return random.permutation(np.concatenate([[""] * 300, ["A"] * 200, ["B"] * 100, random.integers(0, 90, 400)]))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("acyclic", ["together", "apart"])
def test_no_scaffold_is_on_two_sides(seed, acyclic):
    scaffolds = groups(seed)
    split = by_scaffold(scaffolds, 800, 100, acyclic, seed)
    for name in set(scaffolds) - {""}:
        assert len(set(split[scaffolds == name])) == 1
    count = np.bincount(split)
    assert count[0] <= 800
    assert count[1] <= 100
    assert count[2] <= 110  # small groups fill the room almost wholly
    own = np.bincount(split[scaffolds == ""], minlength=3)
    assert own.tolist() == ([300, 0, 0] if acyclic == "together" else [240, 30, 30])


def test_the_largest_groups_train_and_the_order_of_molecules_does_not_matter():
    scaffolds = groups()
    split = by_scaffold(scaffolds, 800, 100)
    names, count = np.unique(scaffolds, return_counts=True)
    side = {name: split[scaffolds == name][0] for name in names}
    assert all(side[name] == 0 for name in names[count > 20])
    order = np.random.default_rng(1).permutation(1000)
    np.testing.assert_array_equal(by_scaffold(scaffolds[order], 800, 100), split[order])


def test_a_group_that_does_not_fit_goes_to_the_test():
    scaffolds = np.array(["A"] * 6 + ["B"] * 3 + ["C"])
    assert by_scaffold(scaffolds, 5, 2).tolist() == [2] * 6 + [0] * 3 + [0]


def test_an_unknown_handling_is_named():
    with pytest.raises(ValueError, match="'drop'"):
        by_scaffold(np.array(["A", "B", "C"]), 1, 1, "drop")


def test_time_goes_from_training_to_test_in_every_trajectory():
    split = by_time(3, 8, (0.25, 0.125))
    assert split.tolist() == [0, 0, 0, 0, 0, 1, 1, 2] * 3
    for held_out in ((0.01, 0.25), (0.25, 0.0), (0.5, 0.5)):
        with pytest.raises(ValueError, match=r"held out of 8 frames, expected some for each"):
            by_time(3, 8, held_out)

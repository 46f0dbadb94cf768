import mdtraj
import numpy as np
import pytest
import torch

from lib.dynamics.mixing import with_positions
from lib.measure import attention
from lib.mixers import attention_maps, make_mixer
from lib.paths import ROOT


def frames(count=5, tokens=4, channels=3):
    random = np.random.default_rng(0)
    return with_positions(
        random.standard_normal((count, tokens, 4, channels)).astype(np.float32),
        5 * random.standard_normal((count, tokens, 3)).astype(np.float32),
    )


@pytest.mark.parametrize("distances", [False, True])
@pytest.mark.parametrize("name", ["subformer", "subformer-gvp", "attention"])
def test_maps_are_the_mixers_own_without_the_further_tokens(name, distances):
    mixer, given = make_mixer(name, 3, 4, 1, width=8, depth=2, heads=2, distances=distances).eval(), frames()
    found = attention.mean_maps(mixer, given)
    whole = attention_maps(mixer, torch.from_numpy(given[..., :-1]), torch.from_numpy(given[:, :, 1:, -1]))
    whole = torch.stack(whole).mean((0, 2)).numpy()
    first = int(name != "attention")
    np.testing.assert_allclose(found.between, whole[:, first : first + 4, first : first + 4], atol=1e-6)
    if first:
        np.testing.assert_allclose(found.summary, whole[:, 0, 1:5], atol=1e-6)
    else:
        assert found.summary is None
        np.testing.assert_allclose(found.between.sum(2), 1, atol=1e-6)


def test_a_mixer_without_attention_or_with_merged_tokens_is_refused():
    with pytest.raises(ValueError, match="no attention to read"):
        attention.mean_maps(make_mixer("submixer", 3, 4, 1, width=8, depth=1), frames())
    with pytest.raises(ValueError, match="attends among merged tokens"):
        attention.mean_maps(make_mixer("attention", 3, 4, 1, width=8, depth=1, window=2), frames())


def test_contacts_are_the_nearest_heavy_atoms_within_the_limit():
    start = mdtraj.load(str(ROOT / "lib" / "make" / "start" / "pentapeptide.pdb"))
    found = attention.contacts(start)[0]
    heavy = {a.index for a in start.topology.atoms if a.element.symbol != "H"}
    own = [[i for i in (a.index for a in r.atoms) if i in heavy] for r in start.topology.residues]
    for i, first in enumerate(own):
        for j, second in enumerate(own):
            gap = np.linalg.norm(start.xyz[0][first][:, None] - start.xyz[0][second][None], axis=-1).min()
            assert found[i, j] == (gap < attention.CONTACT)


def test_attention_that_follows_contacts_in_time_stands_out_and_noise_does_not():
    random = np.random.default_rng(1)
    contact = np.zeros((2000, 5, 5), bool)
    for i in range(5):
        for j in range(i + 2, 5):
            contact[:, i, j] = contact[:, j, i] = np.cumsum(random.random(2000) < 0.02) % 2
    noise = random.random((2000, 5, 5))
    level = random.random((5, 5))  # of each pair: it must not count
    following = attention.over_time(level + 0.3 * contact + noise, contact)
    assert following[0] > 0.3
    assert attention.excess(following) > 0.3
    assert abs(attention.excess(attention.over_time(level + noise, contact))) < 0.1
    one_way = np.triu(np.ones((5, 5)))
    both = attention.over_time(one_way * contact + (1 - one_way) * noise, contact)
    assert both[0] > 0.5  # either direction counts


def test_neighbours_in_sequence_do_not_count_over_time():
    random = np.random.default_rng(2)
    contact = random.random((500, 4, 4)) < 0.5
    contact |= contact.transpose(0, 2, 1)
    near = np.abs(np.subtract.outer(range(4), range(4))) < 2
    found = attention.over_time(np.where(near, contact, random.random((500, 4, 4))), contact)
    assert abs(found[0]) < 0.15


def test_attention_by_pairs_is_held_against_all_renamings():
    random = np.random.default_rng(3)
    frequency = np.triu(random.random((5, 5)), 1)
    frequency += frequency.T
    contact = random.random((3000, 5, 5)) < frequency
    found = attention.over_pairs(np.broadcast_to(frequency, (10, 5, 5)), contact)
    assert len(found) == 120
    assert found[0] > 0.99
    assert found[0] == found.max()
    assert attention.excess(found) > 0.5


def test_attention_that_never_changes_has_no_correlation():
    contact = np.random.default_rng(4).random((50, 4, 4)) < 0.5
    found = attention.over_time(np.ones((50, 4, 4)), contact)
    assert np.isnan(found).all()
    assert attention.excess(found) == 0


def test_each_pair_has_its_own_correlation():
    random = np.random.default_rng(5)
    contact = random.random((300, 3, 3)) < 0.5
    contact |= contact.transpose(0, 2, 1)
    contact[:, 0, 1] = contact[:, 1, 0] = True
    between = random.random((300, 3, 3)) + contact
    found = attention.by_pair(between, contact)
    both = (between[:, 0, 2] + between[:, 2, 0]) / 2
    assert found[0, 2] == found[2, 0] == pytest.approx(np.corrcoef(both, contact[:, 0, 2])[0, 1])
    assert np.isnan(found[0, 1])  # always in contact
    assert np.isnan(np.diag(found)).all()

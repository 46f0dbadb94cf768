"""Fragments: composition, geometry, repeatability."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from lib.make.matter import CRYSTALS, fragment


NEAREST = {"LiF": 2.0135, "NaCl": 2.82, "MgO": 2.106, "diamond": 1.545, "silicon": 2.352, "boron nitride": 1.566}


@pytest.mark.parametrize("kind", CRYSTALS)
def test_a_crystal_keeps_its_stoichiometry_and_bond_length(kind):
    piece = fragment(kind, 24)
    cell = CRYSTALS[kind]()
    assert len(piece) == 24
    for element in np.unique(cell.numbers):
        assert np.mean(piece.numbers == element) == pytest.approx(np.mean(cell.numbers == element))
    nearest = cKDTree(piece.positions).query(piece.positions, k=2)[0][:, 1]
    assert nearest.min() == pytest.approx(NEAREST.get(kind, nearest.min()), abs=2e-3)
    assert nearest.max() < 1.5 * nearest.min()  # no atom lies apart
    np.testing.assert_array_equal(piece.positions, fragment(kind, 24).positions)


def test_quartz_has_four_oxygens_around_each_silicon():
    piece = fragment("quartz", 90)
    silicon, oxygen = (piece.positions[piece.numbers == z] for z in (14, 8))
    inner = silicon[np.linalg.norm(silicon - piece.positions.mean(0), axis=1).argmin()]
    distance = np.sort(np.linalg.norm(oxygen - inner, axis=1))
    np.testing.assert_allclose(distance[:4], 1.61, atol=0.02)
    assert distance[4] > 2.5


@pytest.mark.parametrize("size", [1, 6])
def test_water_is_whole_molecules_close_together(size):
    drop = fragment("water", size)
    assert (drop.numbers == 8).sum() == size
    assert (drop.numbers == 1).sum() == 2 * size
    oxygen, hydrogen = (drop.positions[drop.numbers == z] for z in (8, 1))
    nearest = cKDTree(oxygen).query(hydrogen)[0]
    np.testing.assert_allclose(nearest, 0.9572, atol=2e-3)
    if size > 1:
        assert 2.4 < cKDTree(oxygen).query(oxygen, k=2)[0][:, 1].max() < 4


@pytest.mark.parametrize(
    ("kind", "size", "message"),
    [("salt", 8, "no kind of matter 'salt'"), ("NaCl", 1, "1 atoms"), ("water", 0, "0 molecules of water")],
)
def test_what_cannot_be_cut_is_refused(kind, size, message):
    with pytest.raises(ValueError, match=message):
        fragment(kind, size)

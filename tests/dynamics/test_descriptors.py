"""Descriptors against geometry done by hand, and on both shipped peptides."""

import mdtraj
import numpy as np
import pytest

from lib.dynamics import descriptors as d
from lib.dynamics.projections import pca, tsne, vamp
from lib.paths import ROOT


@pytest.fixture(scope="module")
def peptide():
    """20 frames of WLALL: the start structure with a growing random displacement."""
    start = mdtraj.load(str(ROOT / "lib" / "make" / "start" / "pentapeptide.pdb"))
    noise = np.random.default_rng(0).normal(size=(20, start.n_atoms, 3)) * 0.005 * np.arange(20)[:, None, None]
    return mdtraj.Trajectory((start.xyz + noise).astype(np.float32), start.topology)


def test_blocks_units_and_shapes(peptide):
    found = d.descriptors(peptide, peptide[0], "backbone")
    assert list(found) == [
        "phi",
        "psi",
        "chi",
        "distances",
        "end_to_end",
        "rmsd",
        "radius_of_gyration",
        *(["native_contacts"] if "native_contacts" in found else []),
    ]
    assert found["phi"].columns.shape == (20, 8)
    np.testing.assert_allclose(
        np.degrees(np.arctan2(found["chi"].columns[:, :8], found["chi"].columns[:, 8:])), found["chi"].shown, atol=1e-3
    )
    assert found["chi"].shown.shape == (20, 8)  # chi1 and chi2 of W and three L
    assert found["rmsd"].columns[0] == pytest.approx(0, abs=1e-3)
    assert found["rmsd"].unit == "Å"


def test_lengths_are_those_of_numpy_in_angstrom(peptide):
    found, xyz = d.descriptors(peptide, peptide[0], "name CA"), peptide.xyz.astype(float) * 10
    alpha = peptide.topology.select("name CA")
    by_hand = [np.linalg.norm(xyz[:, i] - xyz[:, j], axis=1) for k, i in enumerate(alpha) for j in alpha[k + 1 :]]
    np.testing.assert_allclose(found["distances"].columns.T, by_hand, atol=1e-4)
    mass = np.array([a.element.mass for a in peptide.topology.atoms])
    squared = [sum(m * n * ((a - b) ** 2).sum() for m, a in zip(mass, f) for n, b in zip(mass, f)) for f in xyz[:2]]
    rg = np.sqrt(np.array(squared) / 2) / mass.sum()  # over pairs, without any centre
    np.testing.assert_allclose(found["radius_of_gyration"].columns[:2, 0], rg, atol=1e-4)
    ends = [peptide.topology.select("name N")[0], peptide.topology.select("name C")[-1]]
    np.testing.assert_allclose(
        found["end_to_end"].columns[:, 0], np.linalg.norm(xyz[:, ends[0]] - xyz[:, ends[1]], axis=1), atol=1e-4
    )


def test_contacts_fall_from_one_to_zero_as_a_molecule_is_pulled_apart():
    start = mdtraj.load(str(ROOT / "lib" / "make" / "start" / "hp35-model.pdb"))
    wide = mdtraj.Trajectory(start.xyz * np.array([1, 1.3, 4])[:, None, None], start.topology)
    q = d.native_contacts(wide, start)
    assert q[0] > 0.98
    assert q[0] > q[1] > q[2]
    assert q[2] < 0.01


def test_what_a_molecule_does_not_have_is_left_out():
    ala2 = mdtraj.load(str(ROOT / "lib" / "make" / "start" / "ala2.pdb"))
    found = d.descriptors(ala2, ala2, "heavy")
    assert list(found) == ["phi", "psi", "distances", "end_to_end", "rmsd", "radius_of_gyration"]
    assert found["distances"].columns.shape == (1, 45)


def test_bad_references_and_selections_are_refused(peptide):
    with pytest.raises(ValueError, match="reference has 2 frames"):
        d.descriptors(peptide, peptide[:2], "backbone")
    with pytest.raises(ValueError, match="'name CA and resid 0' has 1 atoms"):
        d.descriptors(peptide, peptide[0], "name CA and resid 0")


def test_the_typical_frame_is_in_the_middle(peptide):
    line = peptide.xyz[:1] * np.linspace(0.8, 1.2, 11)[:, None, None]
    made = mdtraj.Trajectory(line.astype(np.float32), peptide.topology)
    np.testing.assert_allclose(d.typical_frame([made[:6], made[6:]]).xyz[0], line[5], atol=1e-4)


def test_the_most_mobile_angle_ignores_the_seam():
    at_seam = np.array([179.0, -179.0, 178.0, -178.0])
    moving = np.array([0.0, 20.0, 40.0, 60.0])
    block = d.angles(np.radians(np.stack([at_seam, moving], 1)))
    np.testing.assert_allclose(d.most_mobile([block, block]), np.tile(moving, 2))


def slow_and_fast(frames=3000):
    """One slow coordinate of little variance, one fast one of much, mixed into five features."""
    random = np.random.default_rng(4)
    slow, mix = np.zeros(frames), random.normal(size=(2, 5))
    for t in range(1, frames):
        slow[t] = 0.99 * slow[t - 1] + 0.14 * random.normal()
    return slow, np.stack([slow, 5 * random.normal(size=frames)], 1) @ np.linalg.qr(mix.T)[0].T


def test_pca_finds_variance_and_vamp_finds_slowness():
    slow, features = slow_and_fast()
    corr = lambda a: abs(np.corrcoef(a, slow)[0, 1])  # noqa: E731
    assert corr(vamp([features[:1500], features[1500:]], 20)(features)[:, 0]) > 0.99
    assert corr(pca([features])(features)[:, 0]) < 0.9
    assert vamp([features], 20)(features).shape == (3000, 2)


def test_tsne_is_repeatable_and_keeps_clusters_apart():
    random = np.random.default_rng(0)
    features = [random.normal(size=(40, 5)), random.normal(size=(40, 5)) + 20]
    first = tsne(features)
    np.testing.assert_array_equal(first, tsne(features))
    inside = np.linalg.norm(first[:40] - first[:40].mean(0), axis=1).max()
    assert np.linalg.norm(first[:40].mean(0) - first[40:].mean(0)) > inside

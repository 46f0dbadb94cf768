import mdtraj
import numpy as np
import pytest

from lib.dynamics import geometry
from lib.make.dynamics import as_frame


@pytest.fixture
def chignolin():
    """Three frames: folded, extended, and the folded one turned and moved."""
    frames = mdtraj.join([as_frame("chignolin"), as_frame("chignolin-extended"), as_frame("chignolin")])
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    frames.xyz[2] = frames.xyz[2] @ (rotation * np.linalg.det(rotation)).T + 2
    return frames


@pytest.mark.parametrize(
    ("function", "columns"),
    [
        (geometry.torsion_features, 2 * 18),
        (geometry.sidechain_features, 2 * 17),  # Tyr, Asp, Trp, Pro: 2 each; Thr: 1; Glu: 3; Gly: none
        (geometry.ca_distances, 45),
        (geometry.closest_distances, 28),
        (geometry.contacts, 28),
    ],
)
def test_a_rigid_motion_is_not_seen_and_unfolding_is(chignolin, function, columns):
    found = function(chignolin)
    assert found.shape == (3, columns)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[2], found[0], atol=2e-3)
    assert np.abs(found[1] - found[0]).max() > 0.5


def test_distances_are_those_of_brute_force(chignolin):
    xyz, atoms = chignolin.xyz * 10, list(chignolin.topology.atoms)
    residues = [[a.index for a in atoms if a.residue.index == r and a.element.symbol != "H"] for r in range(10)]
    ca = [a.index for a in atoms if a.name == "CA"]
    expected = [
        [np.linalg.norm(x[ca[i]] - x[ca[j]]) for i in range(10) for j in range(i + 1, 10)] for x in xyz.astype(float)
    ]
    np.testing.assert_allclose(geometry.ca_distances(chignolin), expected, rtol=1e-4)
    for apart, ignore in ((3, ()), (1, (0, 4, 9))):
        expected = [
            [
                min(np.linalg.norm(x[a] - x[b]) for a in residues[i] for b in residues[j])
                for i in range(10)
                for j in range(i + 1, 10)
                if j - i >= apart and i not in ignore and j not in ignore
            ]
            for x in xyz[:2].astype(float)
        ]
        found = geometry.closest_distances(chignolin[:2], apart, ignore)
        np.testing.assert_allclose(found, expected, rtol=1e-4)
        np.testing.assert_array_equal(geometry.contacts(chignolin[:2], apart, ignore), np.array(expected) < 4.5)


def test_native_contacts_are_made_when_folded_only(chignolin):
    folded, extended = geometry.contacts(chignolin)[:2].sum(1)
    assert folded > extended + 5


def test_renaming_equivalent_atoms_changes_no_side_chain_feature(chignolin):
    """Half a turn of the rings of Tyr and of the carboxylates of Asp and Glu."""
    swapped = chignolin.slice([0])
    for residue in swapped.topology.residues:
        at = {atom.name: atom.index for atom in residue.atoms}
        for one, two in (("CD1", "CD2"), ("CE1", "CE2"), ("OD1", "OD2"), ("OE1", "OE2")):
            if residue.name in ("TYR", "ASP", "GLU") and one in at:
                swapped.xyz[0, [at[one], at[two]]] = swapped.xyz[0, [at[two], at[one]]]
    before, after = geometry.sidechain_features(chignolin[0]), geometry.sidechain_features(swapped)
    np.testing.assert_allclose(after, before, atol=0.2)  # the two halves of a crystal's ring are not quite planar
    turned = mdtraj.compute_chi2(swapped)[1] - mdtraj.compute_chi2(chignolin[0])[1]
    assert np.abs(np.sin(turned / 2)).max() > 0.95


def test_sines_and_cosines_are_of_the_torsions(chignolin):
    found = geometry.sidechain_features(chignolin)
    np.testing.assert_allclose(found[:, :17] ** 2 + found[:, 17:] ** 2, 1, atol=1e-5)
    np.testing.assert_allclose(found[:, 0], np.sin(mdtraj.compute_chi1(chignolin)[1][:, 0]), atol=1e-6)


def test_a_molecule_without_the_feature_is_refused():
    ala2 = as_frame("ala2")
    with pytest.raises(ValueError, match="has no side-chain torsion"):
        geometry.sidechain_features(ala2)
    with pytest.raises(ValueError, match="1 C-alpha atoms, expected at least 2"):
        geometry.ca_distances(ala2)
    with pytest.raises(ValueError, match="no two residues 3 places apart"):
        geometry.closest_distances(ala2)

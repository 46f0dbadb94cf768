"""Angles against mdtraj and scipy; references that never leave their chain; bases against scipy."""

import mdtraj
import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y, spherical_jn

from lib.hosts import bases, geometry
from lib.hosts.proteins import proteins
from lib.paths import ROOT


def random_points(*shape):
    return torch.from_numpy(np.random.default_rng(0).normal(size=(*shape, 3)))


def test_torsions_of_villin_are_those_of_mdtraj(domains):
    villin = mdtraj.load(str(ROOT / "lib" / "make" / "start" / "hp35-model.pdb"))
    batch = proteins(domains.take(np.array([0])))
    found = geometry.backbone_torsions(batch.backbone, batch.segment).numpy()
    phi, psi, omega = (f(villin)[1][0] for f in (mdtraj.compute_phi, mdtraj.compute_psi, mdtraj.compute_omega))
    for column, rows, angles in ((0, slice(1, None), phi), (1, slice(None, -1), psi), (2, slice(None, -1), omega)):
        np.testing.assert_allclose(found[rows, column], np.sin(angles), atol=1e-3)
        np.testing.assert_allclose(found[rows, 3 + column], np.cos(angles), atol=1e-3)
    assert (found[0, [0, 3]] == 0).all()
    assert (found[-1, [1, 2, 4, 5]] == 0).all()


@pytest.mark.parametrize("chi", range(4))
def test_side_chain_torsions_are_those_of_mdtraj(domains, chi):
    villin = mdtraj.load(str(ROOT / "lib" / "make" / "start" / "hp35-model.pdb"))
    compute = (mdtraj.compute_chi1, mdtraj.compute_chi2, mdtraj.compute_chi3, mdtraj.compute_chi4)[chi]
    atoms, angles = compute(villin)
    rows = [villin.topology.atom(four[1]).residue.index for four in atoms]
    found = proteins(domains.take(np.array([0]))).side_torsions().numpy()
    np.testing.assert_allclose(found[rows, chi], np.sin(angles[0]), atol=2e-3)
    np.testing.assert_allclose(found[rows, 4 + chi], np.cos(angles[0]), atol=2e-3)
    others = np.setdiff1d(np.arange(len(found)), rows)
    assert (found[others][:, [chi, 4 + chi]] == 0).all()


def test_euler_angles_rebuild_the_rotation():
    turns = Rotation.random(50, random_state=0)
    angles = geometry.euler(torch.eye(3).double().expand(50, 3, 3), torch.from_numpy(turns.as_matrix()).mT)
    rebuilt = Rotation.from_euler("ZYZ", angles.numpy())
    assert (rebuilt * turns.inv()).magnitude().max() < 1e-7


def test_distance_and_angles_rebuild_the_neighbours_place():
    """Complete: from d, θ and φ in the frame of the references the neighbour can be put back."""
    ca = random_points(12)
    before, after = geometry.references(torch.zeros(12, dtype=torch.long))
    centre, neighbour = torch.where(~torch.eye(12, dtype=torch.bool))
    d, theta, phi, _ = geometry.directions(ca, centre, neighbour, before, after)
    x = geometry.unit(ca[before[centre]] - ca[centre])
    z = geometry.unit(geometry.cross(x, ca[after[centre]] - ca[centre]))
    y = geometry.cross(z, x)
    polar = lambda f: f.unsqueeze(-1)  # noqa: E731
    rebuilt = ca[centre] + polar(d) * (
        polar(theta.cos()) * x + polar(theta.sin() * phi.cos()) * y + polar(theta.sin() * phi.sin()) * z
    )
    torch.testing.assert_close(rebuilt, ca[neighbour])


def test_tau_is_a_torsion_and_changes_sign_in_a_mirror():
    ca = random_points(9)
    before, after = geometry.references(torch.zeros(9, dtype=torch.long))
    centre, neighbour = torch.tensor([2, 7]), torch.tensor([6, 3])
    tau = geometry.directions(ca, centre, neighbour, before, after)[3]
    expected = geometry.torsion(ca[[1, 6]], ca[[2, 7]], ca[[6, 3]], ca[[5, 2]])
    torch.testing.assert_close(tau, expected)
    mirrored = geometry.directions(ca * torch.tensor([1, 1, -1]), centre, neighbour, before, after)[3]
    torch.testing.assert_close(mirrored, -tau)


def test_references_stay_within_their_segment():
    segment = torch.tensor([0, 0, 0, 0, 1, 2, 2, 3, 3, 3])
    before, after = geometry.references(segment)
    assert (segment[before] == segment).all()
    assert (segment[after] == segment).all()
    assert before.tolist() == [1, 0, 1, 1, 4, 6, 6, 8, 7, 7]
    assert after.tolist() == [2, 2, 3, 2, 4, 5, 5, 9, 9, 8]


def test_radial_functions_are_orthonormal_and_vanish_at_the_cutoff():
    radial = bases.Radial(6, 10.0).double()
    value = lambda r: radial(torch.tensor([10 * r], dtype=torch.float64))[0]  # noqa: E731
    for order in range(2):
        for i in range(6):
            for j in range(i, 6):
                overlap = quad(lambda r, a=order, b=i, c=j: float(value(r)[a, b] * value(r)[a, c]) * r**2, 0, 1)[0]
                assert abs(overlap - (i == j)) < 1e-4
    assert value(1.0).abs().max() < 1e-4


@pytest.mark.parametrize("order", [0, 1])
def test_bessel_functions_are_those_of_scipy(order):
    x = np.concatenate([[0], np.geomspace(1e-6, 30, 400)])
    np.testing.assert_allclose(bases.bessel(order, torch.from_numpy(x)), spherical_jn(order, x), atol=1e-9)
    assert all(abs(spherical_jn(order, z)) < 1e-12 for z in bases.roots(order, 6))


def test_harmonics_are_those_of_scipy():
    random = np.random.default_rng(0)
    theta, phi = random.uniform(0, np.pi, 30), random.uniform(-np.pi, np.pi, 30)
    y = lambda m: sph_harm_y(1, m, theta, phi)  # noqa: E731
    sign = -np.sqrt(2)  # real harmonics without the Condon-Shortley phase
    expected = [sph_harm_y(0, 0, theta, phi).real, sign * y(1).imag, y(0).real, sign * y(1).real]
    found = bases.harmonics(torch.from_numpy(theta), torch.from_numpy(phi)).numpy()
    np.testing.assert_allclose(found, np.stack(expected, 1), atol=1e-12)
    np.testing.assert_allclose(bases.zonal(torch.from_numpy(theta)).numpy(), found[:, [0, 2]], atol=1e-12)

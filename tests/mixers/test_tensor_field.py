"""Networks on tensors: equivariant, indifferent to the order of atoms, and able to tell exactly the folds up to L."""

import math

import pytest
import torch
from scipy.spatial.transform import Rotation

from lib.mixers.expressivity import accuracy_elsewhere, fit_pair, k_fold_pair
from lib.mixers.tensor_field import float64, product, tensor_classifier, tensors


def cloud(atoms=6, seed=0):
    return 2 * torch.randn(1, atoms, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def outputs(field, pos):
    with torch.no_grad():
        return torch.cat(field(pos), -1)


@pytest.mark.parametrize(("layers", "body"), [(1, 1), (2, 3)])
@pytest.mark.parametrize("sign", [1, -1])
def test_tensors_turn_with_the_structure_and_parity_is_that_of_harmonics(layers, body, sign):
    field = tensor_classifier(layers, 3, 2, body, 0).body
    turn = sign * torch.tensor(Rotation.random(rng=1).as_matrix())
    before, after = outputs(field, cloud()), outputs(field, cloud() @ turn.T + 3)
    with float64():
        wigner = tensors(2, 3).D_from_matrix(turn)
    torch.testing.assert_close(after, before @ wigner.T, atol=1e-12, rtol=0)
    assert (before.abs().amax((0, 1)) > 1e-6).all()


def test_the_order_of_atoms_and_other_frames_do_not_matter():
    field = tensor_classifier(2, 2, 3, 3, 0).body
    one, other = cloud(seed=1), cloud(seed=2)
    listed = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    alone = outputs(field, one)
    torch.testing.assert_close(outputs(field, one[:, listed]), alone[:, listed], atol=1e-13, rtol=0)
    torch.testing.assert_close(outputs(field, torch.cat([other, one]))[1:], alone, atol=1e-13, rtol=0)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(("layers", "body"), [(1, 1), (2, 3)])
@pytest.mark.parametrize("k", [2, 3, 5])
def test_tensors_of_order_l_see_the_orientation_of_at_most_l_folds(order, layers, body, k):
    model = tensor_classifier(layers, order, 3, body, 0)
    with torch.no_grad():
        first, second = model.features(k_fold_pair(k, 0.8 * math.pi / k))
    apart = (first - second).norm() / first.norm()
    assert apart > 1e-3 if k <= order else apart < 1e-13


def test_one_layer_of_order_two_learns_two_folds_and_still_knows_them_elsewhere():
    pair = k_fold_pair(2, 0.4 * math.pi)
    model = tensor_classifier(1, 2, 4, 1, 0)
    assert fit_pair(model, pair, 20, 1e-2)[-1] == 100
    assert accuracy_elsewhere(model, pair, 4, 0) == 100


def test_a_product_keeps_the_paths_that_parity_and_triangle_allow():
    block = tensors(2, 2)
    made = product(block, block, block, "uuu")
    paths = [
        (str(block[i.i_in1].ir), str(block[i.i_in2].ir), str(made.irreps_out[i.i_out].ir)) for i in made.instructions
    ]
    assert ("1o", "1o", "0e") in paths
    assert ("1o", "1o", "2e") in paths
    assert not any(out == "1o" and a == b for a, b, out in paths)  # a cross product of vectors is axial
    assert len(paths) == 11

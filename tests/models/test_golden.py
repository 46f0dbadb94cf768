"""Published outputs from published weights, for every encoder and neighbour rule, and what each rule keeps."""

import itertools
import sys
from pathlib import Path

import mdtraj
import numpy as np
import pytest
import torch

from lib.models import load_encoder
from lib.models.tensornet import matrices


sys.path.append(str(Path(__file__).parent))
from physics import rotation


CHECKPOINTS = {
    "et": "et_l6_h64_rbf64_r75.pth",
    "visnet": "visnet_l6_h64_rbf64_r75.pth",
    "tensornet": "tensornet_l3_h64_rbf32_r5.pth",
}
SYSTEMS = {
    "ala2heavy_full": "all",
    "cln025heavy_full": "all",
    "cln025heavy_gpu32": "index-32",
    "cln025heavy_near32": "nearest-32",
}
# published outputs of TensorNet are there for all neighbours only
CASES = [(model, system) for model in CHECKPOINTS for system in SYSTEMS if model != "tensornet" or "full" in system]


def frames(golden):
    count, atoms, _ = golden["pos"].shape
    z = torch.from_numpy(golden["z"]).repeat(count)
    return z, torch.from_numpy(golden["pos"]).reshape(-1, 3), torch.arange(count).repeat_interleave(atoms)


def load(reference, model, rule="all"):
    return load_encoder(reference(f"checkpoints/{CHECKPOINTS[model]}"), neighbors=rule)


def error(ours, golden):
    return np.abs(ours.numpy().reshape(golden.shape) - golden).max() / np.abs(golden).max()


@pytest.mark.parametrize(("model", "system"), CASES)
def test_published_weights_give_the_published_outputs(reference, model, system):
    golden = np.load(reference(f"golden/{model}_{system}.npz"))
    encoder = load(reference, model, SYSTEMS[system])
    z, pos, batch = frames(golden)
    with torch.no_grad():
        x32, v32 = encoder(z, pos.float(), batch)
        x, v = encoder.double()(z, pos, batch)
        noise = encoder.denoise(z, pos, batch)
    assert error(x, golden["x64"]) < 1e-10
    assert error(v, golden["v64"]) < 1e-10
    assert error(noise, golden["noise64"]) < 1e-10
    assert error(x32, golden["x32"]) < 5e-5
    assert error(v32, golden["v32"]) < 5e-5
    centre, neighbour, _, _ = encoder.graph(z, pos, batch).edges()
    assert set(zip(neighbour.tolist(), centre.tolist())) == set(zip(*golden["edge_index"].tolist()))


@pytest.mark.parametrize("model", CHECKPOINTS)
def test_published_weights_give_the_published_geometry_and_ends(reference, model):
    golden = np.load(reference(f"golden/{model}_ala2heavy_layers.npz"))
    encoder = load(reference, model).double()
    z, pos = torch.from_numpy(golden["z"]), torch.from_numpy(golden["pos"])
    batch = torch.zeros_like(z)
    with torch.no_grad():
        basis = encoder.representation.distance_expansion(torch.from_numpy(golden["rbf_in"]))
        x, v = encoder(z, pos, batch)
        graph = encoder.graph(z, pos, batch)
        noise = encoder.head(x, v)
    assert error(basis, golden["rbf_out"]) < 1e-10
    for ours, name in ((x, "x"), (v, "v"), (noise, "noise")):
        assert error(ours, golden[name]) < 1e-10
    centre, neighbour, pair, _ = graph.edges()
    lengths = dict(zip(zip(neighbour.tolist(), centre.tolist()), graph.distances()[pair].tolist()))
    published = zip(zip(*golden["edge_index"].tolist()), golden["edge_weight"].tolist())
    assert lengths == pytest.approx(dict(published), abs=1e-10)


@pytest.mark.parametrize("model", ["et", "visnet"])
def test_published_weights_give_the_published_layers(reference, model):
    golden = np.load(reference(f"golden/{model}_ala2heavy_layers.npz"))
    encoder = load(reference, model).double()
    z, pos = torch.from_numpy(golden["z"]), torch.from_numpy(golden["pos"])
    with torch.no_grad():
        layers = encoder.layers(z, pos, torch.zeros_like(z))
    assert len(layers) == 7
    assert error(layers[0][0], golden["L0_in0"]) < 1e-10
    for number, ((x, v), (x2, v2)) in enumerate(itertools.pairwise(layers)):  # golden layer outputs are changes
        assert error(x2 - x, golden[f"L{number}_out0"]) < 1e-10
        assert error(v2 - v, golden[f"L{number}_out1"]) < 1e-10


def test_published_weights_give_the_published_matrices(reference):
    golden = np.load(reference("golden/tensornet_ala2heavy_layers.npz"))
    encoder = load(reference, "tensornet").double()
    z, pos = torch.from_numpy(golden["z"]), torch.from_numpy(golden["pos"])
    with torch.no_grad():
        tensors = list(encoder.representation.tensors(z, encoder.graph(z, pos, torch.zeros_like(z))))
    assert len(tensors) == 4
    for number, pair in enumerate(itertools.pairwise(tensors)):  # golden layer outputs are the matrices themselves
        for end, components in zip(("in0", "out0"), pair):
            published = golden[f"L{number}_{end}"][: len(z)]  # without the ghost atom at the end
            assert error(matrices(components).permute(0, 3, 1, 2), published) < 1e-10


@pytest.fixture
def chignolin(reference):
    """z (166,) and pos (166, 3) Å of a frame with hydrogens, so that the cap bites at TensorNet's 5 Å too."""
    frame = mdtraj.load(str(reference("golden/cln025.pdb")))
    z = torch.tensor([atom.element.number for atom in frame.topology.atoms])
    jitter = 0.01 * torch.randn(len(z), 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return z, torch.from_numpy(frame.xyz[0]).double() * 10 + jitter  # a PDB file's rounding makes equal distances


def features(encoder, z, pos):
    with torch.no_grad():
        return encoder(z, pos, torch.zeros_like(z))


def differs(found, expected):
    """Largest difference of scalars and vectors, relative to the largest value."""
    return max(error(a, b.numpy()) for a, b in zip(found, expected))


def turned(found, turn):
    return found[0], torch.einsum("xy,nyc->nxc", turn, found[1])


def permuted(encoder, z, pos, order):
    """Features of the atoms taken in another order, put back into the first one."""
    back = torch.argsort(order)
    return tuple(a[back] for a in features(encoder, z[order], pos[order]))


@pytest.mark.parametrize("rule", ["all", "nearest-32", "index-32"])
@pytest.mark.parametrize("model", CHECKPOINTS)
def test_features_of_a_protein_turn_with_it_and_depend_on_the_order_of_atoms_by_index_alone(
    reference, chignolin, model, rule
):
    encoder, (z, pos), turn = load(reference, model, rule).double(), chignolin, rotation()
    before, after = features(encoder, z, pos), features(encoder, z, pos @ turn.T)
    assert differs(after, turned(before, turn)) < 1e-10
    assert differs(after, before) > 0.1
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(0))
    change = differs(permuted(encoder, z, pos, order), before)
    assert (change > 0.05) if rule == "index-32" else (change < 1e-10)


@pytest.mark.parametrize("rule", ["all", "nearest-32", "index-32"])
def test_a_rotation_changes_features_by_index_where_space_gives_the_order_of_atoms(reference, chignolin, rule):
    """As in a search by a k-d tree or by cells, whose order of atoms turns with the frame."""
    encoder, (z, pos), turn = load(reference, "et", rule).double(), chignolin, rotation()
    before = permuted(encoder, z, pos, pos[:, 0].argsort())
    after = permuted(encoder, z, pos @ turn.T, (pos @ turn.T)[:, 0].argsort())
    change = differs(after, turned(before, turn))
    assert (change > 0.05) if rule == "index-32" else (change < 1e-10)

"""Published outputs from published weights, for every encoder and neighbour rule."""

import itertools

import numpy as np
import pytest
import torch

from lib.models import load_encoder
from lib.models.tensornet import matrices


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


def error(ours, golden):
    return np.abs(ours.numpy().reshape(golden.shape) - golden).max() / np.abs(golden).max()


@pytest.mark.parametrize(("model", "system"), CASES)
def test_published_weights_give_the_published_outputs(reference, model, system):
    golden = np.load(reference(f"golden/{model}_{system}.npz"))
    encoder = load_encoder(reference(f"checkpoints/{CHECKPOINTS[model]}"), neighbors=SYSTEMS[system])
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


@pytest.mark.parametrize("model", ["et", "visnet"])
def test_published_weights_give_the_published_layers(reference, model):
    golden = np.load(reference(f"golden/{model}_ala2heavy_layers.npz"))
    encoder = load_encoder(reference(f"checkpoints/{CHECKPOINTS[model]}")).double()
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
    encoder = load_encoder(reference(f"checkpoints/{CHECKPOINTS['tensornet']}")).double()
    z, pos = torch.from_numpy(golden["z"]), torch.from_numpy(golden["pos"])
    with torch.no_grad():
        tensors = list(encoder.representation.tensors(z, encoder.graph(z, pos, torch.zeros_like(z))))
    assert len(tensors) == 4
    for number, pair in enumerate(itertools.pairwise(tensors)):  # golden layer outputs are the matrices themselves
        for end, components in zip(("in0", "out0"), pair):
            published = golden[f"L{number}_{end}"][: len(z)]  # without the ghost atom at the end
            assert error(matrices(components).permute(0, 3, 1, 2), published) < 1e-10

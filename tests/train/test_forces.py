from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.data.loader import Loader
from lib.data.molecules import MoleculeSet
from lib.models import EncoderConfig, random_encoder
from lib.models.config import architectures
from lib.models.outputs import output
from lib.train.finetune import Recipe, begin
from lib.train.forces import ENERGY, FORCES, ForceField, check, chosen, errors, fit, loss, novelty


CONFIG = EncoderConfig("et", 1, 8, 8, 4.0)
BONDS = ((0, 1, 1.0), (0, 2, 1.2), (1, 2, 1.5))  # atoms and length, Å
STIFF = 8.0  # eV/Å²


def springs(pos):
    """Energy and forces of three atoms on springs; pos (n, 3, 3)."""
    energy, forces = np.full(len(pos), -15_000.0), np.zeros_like(pos)
    for a, b, length in BONDS:
        step = pos[:, b] - pos[:, a]
        apart = np.linalg.norm(step, axis=-1)
        energy += 0.5 * STIFF * (apart - length) ** 2
        pull = (STIFF * (apart - length) / apart)[:, None] * step
        forces[:, a] += pull
        forces[:, b] -= pull
    return energy, forces


@pytest.fixture
def frames():
    """60 frames of water-like springs: 36 train, 12 validation, 12 test, in the order of time."""
    random = np.random.default_rng(0)
    rest = np.array([[0, 0, 0], [1, 0, 0], [0.02, 1.2, 0]])
    pos = rest + random.normal(0, 0.1, (60, 3, 3))
    energy, forces = springs(pos)
    return MoleculeSet(
        np.tile(np.array([8, 1, 6], np.uint8), 60),
        pos.reshape(-1, 3).astype(np.float32),
        np.arange(61) * 3,
        np.repeat([0, 1, 2], [36, 12, 12]).astype(np.uint8),
        np.full(60, "O"),
        {ENERGY: energy},
        {FORCES: forces.reshape(-1, 3)},
    )


def field(architecture="et", seed=0):
    config = EncoderConfig(architecture, 2, 8, 8, 3.0)
    encoder = begin("scratch", config, seed)
    return ForceField(encoder.double(), output("sum", 8, seed).double(), 2.0)


def first(frames, count):
    return next(Loader(frames, np.arange(count), count, dtype=torch.float64).in_order())


@pytest.mark.parametrize("architecture", architectures())
def test_forces_are_minus_the_gradient_of_the_energy(frames, architecture):
    model, batch, step = field(architecture), first(frames, 2), 1e-5
    forces = model(batch)[1].detach()
    for atom in range(6):
        for axis in range(3):
            move = torch.zeros_like(batch.pos)
            move[atom, axis] = step
            with torch.no_grad():
                up, down = (model.energy(batch.z, batch.pos + s * move, batch.batch).sum() for s in (1, -1))
            assert float(forces[atom, axis]) == pytest.approx(float(down - up) / (2 * step), rel=1e-6, abs=1e-8)


def test_no_net_force_no_torque_and_no_work_around_a_closed_path(frames):
    model, batch = field(), first(frames, 1)
    forces = model(batch)[1].detach()
    assert float(forces.sum(0).abs().max()) < 1e-12
    assert float(torch.linalg.cross(batch.pos, forces).sum(0).abs().max()) < 1e-12
    around = torch.linspace(0, 2 * np.pi, 201, dtype=torch.float64)[:-1]
    work = 0.0
    for angle in around:  # one atom goes in a circle
        shift = 0.3 * torch.stack([angle.cos(), angle.sin(), 0 * angle])
        tangent = 0.3 * torch.stack([-angle.sin(), angle.cos(), 0 * angle]) * (2 * np.pi / 200)
        moved = replace(batch, pos=batch.pos + torch.tensor([[0.0], [0], [1]]) * shift)
        work += float(model(moved)[1][2].detach() @ tangent)
    straight = float(forces[2].norm()) * 0.6
    assert abs(work) < 1e-6 * max(straight, 1e-3)


def test_the_loss_weighs_energies_and_forces(frames):
    model, batch = field(), first(frames, 5)
    energies, forces = errors(model, Loader(frames, np.arange(5), 2, dtype=torch.float64))
    expected = (0.2 * energies.square().mean() + 0.8 * forces.square().mean()) / 4
    value = loss(model, batch, None, (0.2, 0.8))
    assert float(value.detach()) == pytest.approx(float(expected), rel=1e-6)
    value.backward()
    assert all(p.grad is not None for name, p in model.named_parameters() if "q_proj" in name)


def test_springs_are_learned(frames, tmp_path):
    rows = chosen(frames, frames.split, {})
    recipe = Recipe(epochs=40, batch_size=6, learning_rate=2e-2, clip=10.0)
    done = fit(begin("scratch", CONFIG, 0), frames, rows, recipe, (0.2, 0.8), 0, tmp_path / "state.pt")
    nothing = 1000 * np.abs(frames.take(rows["test"]).atom[FORCES]).mean()
    assert done["forces"].shape == (12,)
    assert float(done["forces"].mean()) < 0.5 * nothing
    mean = frames.molecule[ENERGY][rows["train"]].mean()
    assert float(done["energies"].mean()) < 700 * np.abs(frames.molecule[ENERGY][rows["test"]] - mean).mean()


def test_a_frozen_encoder_stays(frames, tmp_path):
    encoder = begin("frozen", CONFIG, 0, random_encoder(CONFIG, 1))
    rows = chosen(frames, frames.split, {"train": 12, "test": 4})
    done = fit(encoder, frames, rows, Recipe(2, 6, 1e-2), (0.2, 0.8), 0, tmp_path / "state.pt")
    before = random_encoder(CONFIG, 1).state_dict()
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert done["history"][0]["train"] != done["history"][1]["train"]
    assert done["parameters"] == sum(p.numel() for p in output("sum", 8, 0).parameters())


def test_frames_are_taken_at_even_distances_from_each_part(frames):
    rows = chosen(frames, frames.split, {"train": 8, "validation": 100, "test": None})
    assert rows["train"].tolist() == [0, 5, 10, 15, 20, 25, 30, 35]
    assert rows["validation"].tolist() == list(range(36, 48))
    assert rows["test"].tolist() == list(range(48, 60))
    with pytest.raises(ValueError, match="the split has no frames for test"):
        chosen(frames, np.minimum(frames.split, 1), {})


def test_novelty_is_the_nearest_difference_of_distances(frames):
    rows = chosen(frames, frames.split, {"test": 3})
    pos = frames.pos.reshape(-1, 3, 3).astype(float)
    apart = np.stack([np.linalg.norm(pos[:, a] - pos[:, b], axis=-1) for a, b, _ in BONDS], 1)
    by_hand = [min(np.sqrt(np.mean((apart[t] - apart[k]) ** 2)) for k in rows["train"]) for t in rows["test"]]
    np.testing.assert_allclose(novelty(frames, rows), by_hand, rtol=1e-4)
    assert novelty(frames, rows | {"test": rows["train"][:2]}).max() < 1e-3


def test_a_set_that_is_no_dynamics_is_refused(frames, molecules):
    check(frames)
    with pytest.raises(ValueError, match="needs energy_eV and forces_eV_A, and has forces_eV_A"):
        check(replace(frames, molecule={}))
    with pytest.raises(ValueError, match="the frames are of different molecules"):
        check(molecules)
    other = replace(frames, z=np.concatenate([frames.z[:-1], [7]]).astype(np.uint8))
    with pytest.raises(ValueError, match="the frames are of different molecules"):
        check(other)

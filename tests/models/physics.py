"""The laws that every encoder obeys, whatever its weights: inherit `Physics` and set `config`."""

import pytest
import torch

from lib.models import random_encoder


def jiggled(encoder):
    """Move biases and norms off their initial values, where some terms vanish and errors could hide."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.dim() == 1:
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return encoder


def molecules(sizes=(7, 1, 12), seed=0):
    """Frames of atoms at least 1 Å apart: z, pos (float64), batch."""
    generator = torch.Generator().manual_seed(seed)
    grid = torch.cartesian_prod(*[torch.arange(3.0, dtype=torch.float64)] * 3) * 1.6
    pos = [grid[torch.randperm(len(grid), generator=generator)[:size]] for size in sizes]
    pos = torch.cat(pos) + 0.3 * (torch.rand(sum(sizes), 3, generator=generator, dtype=torch.float64) - 0.5)
    z = torch.tensor([1, 6, 7, 8, 16])[torch.randint(5, (sum(sizes),), generator=generator)]
    return z, pos, torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))


def rotation(seed=3):
    """A proper rotation matrix (3, 3)."""
    generator = torch.Generator().manual_seed(seed)
    q = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    return q * torch.linalg.det(q)


def close(a, b, tolerance=1e-11):
    """Whether a and b agree relative to the largest value of b."""
    return float((a - b).abs().max()) <= tolerance * float(b.abs().max().clamp_min(1.0))


class Physics:
    """Float64 battery."""

    config = None
    neighbors = "all"

    @pytest.fixture
    def encoder(self):
        return jiggled(random_encoder(self.config, 0, self.neighbors).double()).eval()

    def outputs(self, encoder, z, pos, batch):
        with torch.no_grad():
            return *encoder(z, pos, batch), encoder.denoise(z, pos, batch)

    @pytest.mark.parametrize("determinant", [1, -1], ids=["rotation", "reflection"])
    def test_turning_the_molecule_turns_vectors_and_leaves_scalars(self, encoder, determinant):
        z, pos, batch = molecules()
        turn = determinant * rotation()
        x, v, noise = self.outputs(encoder, z, pos, batch)
        x2, v2, noise2 = self.outputs(encoder, z, pos @ turn.T, batch)
        assert close(x2, x)
        assert close(v2, torch.einsum("xy,nyc->nxc", turn, v))
        assert close(noise2, noise @ turn.T)
        assert not close(v2, v, 1e-3)

    def test_translation_changes_nothing(self, encoder):
        z, pos, batch = molecules()
        shifted = pos + torch.tensor([30.0, -20.0, 11.0], dtype=torch.float64)
        for a, b in zip(self.outputs(encoder, z, shifted, batch), self.outputs(encoder, z, pos, batch)):
            assert close(a, b)

    def test_order_of_atoms_does_not_matter(self, encoder):
        z, pos, batch = molecules()
        order = torch.cat([torch.randperm(7), torch.tensor([7]), 8 + torch.arange(11, -1, -1)])
        assert not torch.equal(order, torch.arange(len(z)))
        before, after = self.outputs(encoder, z, pos, batch), self.outputs(encoder, z[order], pos[order], batch)
        for a, b in zip(after, before):
            assert close(a, b[order])

    def test_frames_do_not_see_each_other(self, encoder):
        z, pos, batch = molecules()
        together = self.outputs(encoder, z, pos, batch)
        for frame in range(3):
            mine = batch == frame
            for a, b in zip(self.outputs(encoder, z[mine], pos[mine], torch.zeros(int(mine.sum())).long()), together):
                assert close(a, b[mine])

    def test_isolated_atom_has_no_direction(self, encoder):
        x, v, noise = self.outputs(encoder, *molecules((1,)))
        assert torch.isfinite(x).all()
        assert v.abs().max() == 0
        assert noise.abs().max() == 0

    def test_molecules_far_apart_are_independent(self, encoder):
        z, pos, batch = molecules((7, 9))
        apart = pos + 1000.0 * batch.unsqueeze(1)
        joined = self.outputs(encoder, z, apart, torch.zeros_like(batch))
        for a, b in zip(joined, self.outputs(encoder, z, pos, batch)):
            assert close(a, b)

    def test_features_are_continuous_at_the_cutoff_when_smooth(self, encoder):
        z = torch.tensor([6, 8, 1, 7])
        batch = torch.zeros(4, dtype=torch.long)

        def at(distance):  # of the first two atoms; each has another neighbour well inside
            pos = [[0.0, 0, 0], [distance, 0, 0], [1.2, 0.5, 0], [distance - 1.1, 0.4, 0.9]]
            return self.outputs(encoder, z, torch.tensor(pos, dtype=torch.float64), batch)

        def change(step):
            inside, outside = at(self.config.cutoff - step), at(self.config.cutoff + step)
            return max(float((a - b).abs().max()) for a, b in zip(inside, outside))

        ratio = change(1e-7) / change(1e-5)  # 0.01 for a slope, 1 for a jump
        assert (ratio < 0.02) if self.config.smooth else (ratio > 0.1)

    def test_gradient_with_respect_to_positions_is_the_numeric_one(self, encoder):
        z, pos, batch = molecules((5,))
        direction = torch.linspace(-1, 1, pos.numel(), dtype=torch.float64).view_as(pos)

        def energy(p):
            x, v = encoder(z, p, batch)
            return x.sin().sum() + v.square().sum()

        pos.requires_grad_(True)
        (gradient,) = torch.autograd.grad(energy(pos), pos)
        step = 1e-5
        with torch.no_grad():
            numeric = (energy(pos + step * direction) - energy(pos - step * direction)) / (2 * step)
        assert torch.allclose((gradient * direction).sum(), numeric, rtol=1e-7)

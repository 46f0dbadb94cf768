import numpy as np
import pytest
import torch

from lib.data.loader import Batch, Loader
from lib.models import EncoderConfig, random_encoder
from lib.train import denoise, masking


@pytest.fixture
def batch(molecules):
    return Loader(molecules, np.arange(40), 40).batch(torch.arange(40))


@pytest.fixture
def model():
    encoder = random_encoder(EncoderConfig("et", layers=1, hidden=8, rbf=8, cutoff=4.0), 0)
    encoder.check = False
    return masking.MaskedEncoder(encoder, seed=0)


def seeded():
    return torch.Generator().manual_seed(5)


def test_with_nothing_hidden_it_is_denoising(model, batch):
    expected = denoise.loss(model.encoder, batch, seeded())
    assert torch.equal(masking.loss(model, batch, seeded(), share=0), expected)


def test_the_encoder_never_sees_a_hidden_element(model, batch):
    seen = []
    model.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    masking.loss(model, batch, seeded(), share=0.5)
    generator = seeded()
    denoise.displace(batch.pos, 0.2, generator)
    hidden = masking.hide(batch, 0.5, generator)
    assert 0.3 < hidden.float().mean() < 0.7
    assert (seen[0][hidden] == masking.HIDDEN).all()
    assert torch.equal(seen[0][~hidden], batch.z[~hidden])
    assert (batch.z > 0).all()  # the batch itself is left alone


def test_weight_scales_the_second_term_alone(model, batch):
    none, one, two = (masking.loss(model, batch, seeded(), weight=w).item() for w in (0, 1, 2))
    assert two - one == pytest.approx(one - none, rel=1e-4)
    assert one > none


def test_ranks_hide_the_same_atoms_as_one_process(batch):
    whole = masking.hide(batch, 0.3, seeded())
    cut = 17
    parts = [
        Batch(batch.z[:cut], batch.pos[:cut], batch.batch[:cut], {}, {}, 0, len(batch.z) - cut),
        Batch(batch.z[cut:], batch.pos[cut:], batch.batch[cut:], {}, {}, cut, 0),
    ]
    assert torch.equal(torch.cat([masking.hide(part, 0.3, seeded()) for part in parts]), whole)


def test_elements_that_the_neighbours_give_away_are_learned(model, molecules):
    """All atoms of a molecule are of one element, so those in sight name the hidden ones."""
    molecules.z = np.repeat(np.resize([1, 6, 8], 40), molecules.sizes).astype(np.uint8)
    loader = Loader(molecules, np.arange(40), 40)
    batch = next(loader.in_order())
    optimiser = torch.optim.Adam(model.parameters(), 0.03)
    before = masking.accuracy(model, loader)
    for step in range(100):
        optimiser.zero_grad()
        masking.loss(model, batch, torch.Generator().manual_seed(step), sigma=0.05, weight=1.0).backward()
        optimiser.step()
    assert masking.accuracy(model, loader, seed=1) > max(before, 0.7)


def test_denoising_is_asked_of_the_encoder_alone(model, batch):
    assert torch.equal(
        model.denoise(batch.z, batch.pos, batch.batch), model.encoder.denoise(batch.z, batch.pos, batch.batch)
    )


def test_the_second_head_depends_on_the_seed_alone(model):
    again, other = (masking.MaskedEncoder(model.encoder, seed) for seed in (0, 1))
    assert torch.equal(model.elements.weight, again.elements.weight)
    assert not torch.equal(model.elements.weight, other.elements.weight)

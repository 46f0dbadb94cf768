import numpy as np
import pytest
import torch

from lib.data.loader import Loader
from lib.models import EncoderConfig, random_encoder
from lib.train import denoise
from lib.train.loop import Objective, Schedule, backward_of, fit
from lib.train.shares import SideBySide, cut


def encoder():
    return random_encoder(EncoderConfig("et", 2, 16, 16, 4.0), seed=3).double()


def batches(molecules, size=7):
    return list(Loader(molecules, np.arange(24), size, seed=1, dtype=torch.float64).epoch(1))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_shares_are_the_batch_cut_between_molecules(molecules, count):
    batch = batches(molecules)[0]
    shares = cut(batch, count)
    assert len(shares) == min(count, 7)
    for name in ("z", "pos"):
        assert torch.equal(torch.cat([getattr(s, name) for s in shares]), getattr(batch, name))
    for name, values in batch.molecule.items():
        assert torch.equal(torch.cat([s.molecule[name] for s in shares]), values)
    for name, values in batch.atom.items():
        assert torch.equal(torch.cat([s.atom[name] for s in shares]), values)
    sizes = torch.cat([torch.bincount(s.batch) for s in shares])
    assert torch.equal(sizes, torch.bincount(batch.batch))
    ends = np.cumsum([len(s.z) for s in shares])
    assert [(s.before, s.after) for s in shares] == [(e - len(s.z), ends[-1] - e) for s, e in zip(shares, ends)]
    assert [s.part for s in shares] == pytest.approx([len(s.z) / len(batch.z) for s in shares])


@pytest.mark.parametrize("threads", [2, 3])
def test_gradients_and_noise_are_those_of_one_thread(molecules, threads):
    alone, together = encoder(), encoder()
    generators = [torch.Generator().manual_seed(5) for _ in range(2)]
    side_by_side = SideBySide(Objective(together, denoise.loss, "float64"), threads)
    for batch in batches(molecules):
        for model in (alone, together):
            model.zero_grad(set_to_none=True)
        value = backward_of(Objective(alone, denoise.loss, "float64"), batch, generators[0])
        torch.testing.assert_close(side_by_side(batch, generators[1]), value, rtol=1e-12, atol=0)
        assert torch.equal(*(g.get_state() for g in generators))
        for (name, a), b in zip(alone.named_parameters(), together.parameters()):
            if a.grad is None:
                assert b.grad is None, name
            else:
                torch.testing.assert_close(b.grad, a.grad, rtol=1e-9, atol=1e-12, msg=name)


def test_a_run_gives_the_same_bits_twice(molecules, tmp_path):
    def trained():
        model = random_encoder(EncoderConfig("et", 2, 16, 16, 4.0), seed=3)
        loader = Loader(molecules, np.arange(24), 7, seed=1)
        history = fit(model, denoise.loss, lambda m: 1.0, loader, Schedule(3, 1e-2), 7, tmp_path / "s.pt", threads=2)
        return history, model.state_dict()

    (curve, weights), (curve_again, weights_again) = trained(), trained()
    assert curve == curve_again
    for name, value in weights.items():
        assert torch.equal(value, weights_again[name]), name


def test_what_a_share_raises_is_raised(molecules):
    def loss(model, batch, generator):
        if batch.before:
            raise ValueError("second share")
        return model(batch.pos).mean()

    with pytest.raises(ValueError, match="second share"):
        SideBySide(Objective(torch.nn.Linear(3, 1).double(), loss, "float64"), 2)(
            batches(molecules)[0], torch.Generator()
        )

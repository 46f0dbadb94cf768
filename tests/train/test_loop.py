import numpy as np
import pytest
import torch

from lib.data.loader import Loader
from lib.train.loop import Schedule, fit


class Line(torch.nn.Module):
    """Energy as a linear function of the number of atoms."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, batch):
        return self.layer(torch.bincount(batch.batch).float()[:, None])[:, 0]


def squared(model, batch, generator):
    noise = torch.randn(len(batch.molecule["energy_eV"]), generator=generator)
    return (model(batch) - batch.molecule["energy_eV"] - 0.1 * noise).square().mean()


class Scripted:
    """Validation losses given in advance; counts how often it was asked."""

    def __init__(self, values):
        self.values, self.asked = list(values), 0

    def __call__(self, model):
        self.asked += 1
        return self.values[self.asked - 1]


def run(molecules, state, epochs=6, evaluate=None, model=None):
    model = model or Line()
    loader = Loader(molecules, np.arange(24), 5, seed=1)
    history = fit(
        model, squared, evaluate or Scripted(range(99, 0, -1)), loader, Schedule(epochs, 0.05, warmup=3), 7, state
    )
    return model, history


def test_best_weights_are_really_restored(molecules, tmp_path):
    snapshots = []

    class Recording(Scripted):
        def __call__(self, model):
            snapshots.append({k: v.clone() for k, v in model.state_dict().items()})
            return super().__call__(model)

    model, _ = run(molecules, tmp_path / "state.pt", evaluate=Recording([1, 0.5, 2, 3, 4, 5]))
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, snapshots[1][name], rtol=0, atol=0)
        assert not torch.equal(value, snapshots[-1][name])


def test_a_killed_run_resumes_to_the_same_curve(molecules, tmp_path):
    whole_model, whole = run(molecules, tmp_path / "whole.pt")

    class Killed(Scripted):
        def __call__(self, model):
            if self.asked == 3:
                raise KeyboardInterrupt
            return super().__call__(model)

    with pytest.raises(KeyboardInterrupt):
        run(molecules, tmp_path / "cut.pt", evaluate=Killed(range(99, 0, -1)))
    model, resumed = run(molecules, tmp_path / "cut.pt", evaluate=Scripted(range(96, 0, -1)))
    assert [r["train"] for r in resumed] == [r["train"] for r in whole]
    for a, b in zip(model.parameters(), whole_model.parameters()):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_loss_that_is_not_finite_is_an_error(molecules, tmp_path):
    with pytest.raises(FloatingPointError, match="epoch 1"):
        run(molecules, tmp_path / "x.pt", evaluate=Scripted([float("nan")]))


def test_schedule_rises_then_falls_to_zero():
    schedule = Schedule(1, 1.0, warmup=10)
    factors = [schedule.factor(step, 110) for step in range(111)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9] == factors[10] == 1.0
    assert factors[60] == pytest.approx(0.5)
    assert factors[110] == pytest.approx(0, abs=1e-12)
    assert Schedule(1, 1.0, decay=False).factor(1000, 1001) == 1.0

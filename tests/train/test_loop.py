import copy
import itertools

import numpy as np
import pytest
import torch

from lib.data.loader import Batch, Loader
from lib.train.loop import Objective, Schedule, fit, weight_type


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


def test_averaged_weights_are_the_recursion_and_are_what_is_kept(molecules, tmp_path):
    """average <- 0.8 average + 0.2 weights after every step but the first, which it starts from."""
    model, seen = Line(), []

    def recorded(model, batch, generator):
        seen.append(copy.deepcopy(model.state_dict()))  # before the step
        return squared(model, batch, generator)

    def evaluate(averaged):
        seen.append(copy.deepcopy(model.state_dict()))
        return -len(seen)

    loader = Loader(molecules, np.arange(24), 24)
    fit(model, recorded, evaluate, loader, Schedule(3, 0.05), 7, tmp_path / "state.pt", ema=0.8)
    average = None
    for before, after in itertools.pairwise(seen):
        if all(torch.equal(before[name], after[name]) for name in before):
            continue  # an evaluation lies between, not a step
        average = after if average is None else {k: 0.8 * average[k] + 0.2 * v for k, v in after.items()}
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, average[name])
        assert not torch.equal(value, seen[-1][name])


def test_products_are_in_bfloat16_and_the_loss_is_not():
    types = []

    def loss(model, batch, generator):
        product = model(torch.ones(2, 3))
        types.append(product.dtype)
        return (product - torch.zeros(2, 1)).square().mean()

    batch = Batch(torch.ones(2), torch.zeros(2, 3), torch.zeros(2, dtype=torch.long), {}, {})
    value = Objective(torch.nn.Linear(3, 1), loss, "bfloat16")(batch, torch.Generator())
    assert (types, value.dtype) == ([torch.bfloat16], torch.float32)
    Objective(torch.nn.Linear(3, 1), loss, "float32")(batch, torch.Generator())
    assert types[-1] == torch.float32


def test_precisions():
    cpu = torch.device("cpu")
    assert [weight_type(name, cpu) for name in ("float32", "float64")] == [torch.float32, torch.float64]
    with pytest.raises(ValueError, match="'half', expected one of float32, bfloat16, float64"):
        weight_type("half", cpu)
    with pytest.raises(ValueError, match="needs a GPU"):
        weight_type("bfloat16", cpu)


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

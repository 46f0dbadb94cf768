import copy

import numpy as np
import pytest
import torch

from lib.data.loader import Loader
from lib.train.loop import Schedule
from lib.train.plateau import EndOfTrainingError, Plateau, train


LOSSES = [5.0, 4, 3, 3, 3, 3, 2.9, 3, 3, 3, 3, 3, 3, 3, 3, 3]  # best in epoch 7


class Counter(torch.nn.Module):
    """Its only weight counts steps, so that weights tell which epoch they are of."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))


def loss(model, batch, generator):
    return (model.weight - batch.molecule["energy_eV"]).square().mean()


class Scripted:
    def __init__(self, losses, killed_after=None):
        self.losses, self.killed_after, self.seen = list(losses), killed_after, []

    def __call__(self, model):
        if self.killed_after is not None and len(self.seen) == self.killed_after:
            raise KeyboardInterrupt
        self.seen.append(copy.deepcopy(model.state_dict()))
        return self.losses[len(self.seen) - 1]


def run(molecules, state, evaluate, schedule=None):
    model = Counter()
    schedule = schedule or Plateau(16, 0.1, warmup=2, factor=0.5, patience=1, least=0.02, stop=6)
    return model, train(model, loss, evaluate, Loader(molecules, np.arange(24), 12), schedule, 0, state)


def test_the_rate_is_that_of_torch():
    schedule = Plateau(20, 0.1, warmup=3, factor=0.5, patience=1, least=0.02, stop=99)
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    torch_own = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=1, min_lr=0.02)
    assert [schedule.factor(step, 99) for step in range(3)] == [1 / 3, 2 / 3, 1.0]
    rates = []
    for value in LOSSES:
        schedule.add(value)
        torch_own.step(value)
        rates.append(schedule.factor(10, 99) * 0.1)
        assert rates[-1] == pytest.approx(optimiser.param_groups[0]["lr"])
    assert rates[2] == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(0.02)


def test_training_ends_where_nothing_improves_and_leaves_the_best_weights(molecules, tmp_path):
    evaluate = Scripted(LOSSES)
    model, history = run(molecules, tmp_path / "state.pt", evaluate)
    assert len(history) == 13  # the best is epoch 7, and six more were without a better one
    assert torch.equal(model.weight, evaluate.seen[6]["weight"])
    assert not torch.equal(model.weight, evaluate.seen[12]["weight"])
    assert not model.training
    assert not (tmp_path / "state.pt").exists()


def test_a_killed_run_goes_on_with_its_rate_and_its_patience(molecules, tmp_path):
    whole_model, whole = run(molecules, tmp_path / "whole.pt", Scripted(LOSSES))
    with pytest.raises(KeyboardInterrupt):
        run(molecules, tmp_path / "cut.pt", Scripted(LOSSES, killed_after=9))
    model, resumed = run(molecules, tmp_path / "cut.pt", Scripted(LOSSES[9:]))
    assert resumed == whole
    assert torch.equal(model.weight, whole_model.weight)


def test_a_plain_schedule_is_left_to_the_loop(molecules, tmp_path):
    _, history = run(molecules, tmp_path / "state.pt", Scripted(LOSSES), Schedule(3, 0.1))
    assert [record["validation"] for record in history] == LOSSES[:3]


def test_the_end_is_an_error_for_who_does_not_expect_it():
    schedule = Plateau(20, 0.1, stop=2)
    for value in (1.0, 1.0, 1.0):
        schedule.add(value)
    with pytest.raises(EndOfTrainingError):
        schedule.factor(5, 99)

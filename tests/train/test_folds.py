"""Training of hosts: learning, the best epoch, resuming."""

import numpy as np
import pytest
import torch

from lib.hosts.pronet import ProNet
from lib.hosts.proteins import Augmentation, proteins
from lib.threads import single_thread
from lib.train import folds
from lib.train.folds import Recipe, accuracy, fit, logits


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with single_thread():
        yield


@pytest.fixture(scope="module")
def data(domains):
    part = lambda rows: proteins(domains.take(np.array(rows)))  # noqa: E731
    return part([0, 1, 3, 4]), part([2, 5])


def host(dropout=0.2):
    torch.manual_seed(0)
    return ProNet(2, "aminoacid", hidden=16, blocks=1, dropout=dropout, noise=0.025)


RECIPE = Recipe(4, 1e-3, 2, 2, 0.5, Augmentation(0.2, 0.1, 0.1))


def test_two_proteins_are_learned(data, tmp_path):
    model = host(0)
    history = fit(model, *data, Recipe(30, 3e-3, 4), 0, tmp_path / "s", progress=False)
    assert history[-1]["loss"] < 0.2 * history[0]["loss"]
    assert accuracy(model, data[1]) == 1.0


def test_a_killed_run_gives_the_same_numbers(data, tmp_path, monkeypatch, capsys):
    one = host()
    whole = fit(one, *data, RECIPE, 3, tmp_path / "a")
    printed = capsys.readouterr().out
    real, calls = folds.one_epoch, []

    def dying(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(folds, "one_epoch", dying)
    with pytest.raises(KeyboardInterrupt):
        fit(host(), *data, RECIPE, 3, tmp_path / "b")
    capsys.readouterr()
    two = host()
    assert fit(two, *data, RECIPE, 3, tmp_path / "b") == whole
    assert capsys.readouterr().out == printed
    assert all(torch.equal(p, q) for p, q in zip(one.state_dict().values(), two.state_dict().values()))
    assert not list(tmp_path.iterdir()), "no resume state is left"


def test_the_best_validation_epoch_is_kept_and_not_the_last(data, tmp_path, monkeypatch):
    """From the eleventh epoch on the training wipes the model out."""
    real, calls = folds.one_epoch, []

    def ruin(model, *arguments):
        result = real(model, *arguments)
        calls.append(1)
        if len(calls) > 10:
            with torch.no_grad():
                for weight in model.parameters():
                    weight.zero_()
        return result

    monkeypatch.setattr(folds, "one_epoch", ruin)
    model = host(0)
    history = fit(model, *data, Recipe(12, 3e-3, 4), 0, tmp_path / "s", progress=False)
    best = max(history, key=lambda r: (r["validation"], -r["validation_loss"]))
    assert best["epoch"] <= 10
    found = torch.nn.functional.cross_entropy(logits(model, data[1]), data[1].label)
    assert float(found) == pytest.approx(best["validation_loss"], rel=1e-5)


def test_every_protein_is_seen_once_an_epoch(data, tmp_path):
    seen = []

    class Counting(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = torch.nn.Parameter(torch.zeros(2))

        def forward(self, batch, generator=None):
            if self.training:
                seen.append(len(batch))
            return self.bias.expand(len(batch), 2)

    fit(Counting(), *data, Recipe(2, 1e-3, 3), 0, tmp_path / "s", progress=False)
    assert seen == [3, 1, 3, 1]


def test_a_loss_that_is_not_finite_is_an_error(data, tmp_path):
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        fit(host(0), *data, Recipe(3, 1e30, 4), 0, tmp_path / "s", progress=False)

from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.models import EncoderConfig
from lib.train import sweep
from lib.train.sweep import Recipe, Size, Sweep, Trained, finished, parameters, varied


BASE = EncoderConfig("et", layers=1, hidden=8, rbf=8, cutoff=4.0, heads=4)
RECIPE = Recipe(samples=24, batch_size=5, rates=(1e-3, 1e-2), tuning_samples=12)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep.paths, "SCRATCH", tmp_path)
    return tmp_path


def test_axes_change_what_they_name():
    assert varied("width", 16, BASE).config == replace(BASE, hidden=16)
    assert varied("depth", 3, BASE).config == replace(BASE, layers=3)
    assert varied("aspect", [32, 2], BASE).config == replace(BASE, hidden=32, layers=2)
    assert varied("cutoff", 5, BASE, 7) == Size(replace(BASE, cutoff=5.0), 7)
    assert varied("data", 500, BASE) == Size(BASE, 500)
    with pytest.raises(ValueError, match="axis is 'height', expected one of width, depth"):
        varied("height", 1, BASE)


def test_parameters_leave_out_the_table_of_elements():
    """ET: 11 H² + 4 K H and biases a layer, worked out by hand for H = 8, K = 8, and the head."""
    layer = 11 * 64 + 4 * 8 * 8 + 14 * 8
    head = (8 * 8 + 4 * 8 + 16 * 8 + 8 + 8 * 8 + 8) + (4 * 4 + 4 + 8 * 4 + 4 + 4 * 2 + 2)
    assert parameters(BASE) == layer + 2 * 8 + head
    assert parameters(replace(BASE, layers=2)) - parameters(BASE) == layer


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objective": "guess"}, "objective is 'guess', expected one of denoise, denoise"),
        ({"rates": ()}, r"rates are \(\), expected positive ones in ascending order"),
        ({"rates": (1e-2, 1e-3)}, "in ascending order"),
        ({"rounds": 0}, "rounds 0, expected at least 1"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        replace(RECIPE, **changes)


def test_training_ends_when_a_round_gains_too_little():
    recipe = replace(RECIPE, rounds=4, gain=0.1)
    losses = lambda *values: [{"validation": v} for v in values]  # noqa: E731
    assert not finished([], recipe)
    assert not finished(losses(1.0), recipe)
    assert not finished(losses(1.0, 0.8), recipe)
    assert finished(losses(1.0, 0.95), recipe)
    assert finished(losses(1.0, 0.8, 0.79), recipe)
    assert finished(losses(1.0, 0.8, 0.6, 0.4), recipe)
    assert finished(losses(1.0), replace(recipe, rounds=1))


def test_rounds_are_reported_apart():
    done = Trained(None, [{"validation": 3, "test": 30}, {"validation": 1, "test": 10}, {"validation": 2, "test": 5}])
    assert (done.equal, done.out) == (30, 10)  # the round is chosen by validation, not by test


def test_every_size_sees_the_same_number_of_samples(molecules, place):
    work = Sweep(molecules, "hash", RECIPE)
    seen = [work.run(size, 1e-2, 0).rounds[0]["samples"] for size in (Size(BASE), Size(BASE, 12), Size(BASE, 6))]
    assert seen == [24, 24, 24]


def test_more_molecules_than_samples_are_refused(molecules, place):
    with pytest.raises(ValueError, match="25 training molecules, expected at most the 24 samples"):
        Sweep(molecules, "hash", RECIPE).run(Size(BASE, 25), 1e-2, 0)
    assert len(Sweep(molecules, "hash", RECIPE).rate(Size(BASE, 24))[1]) == 2  # a trial sees fewer of them


def test_a_killed_sweep_goes_on_to_the_same_losses(molecules, place, monkeypatch):
    recipe = replace(RECIPE, rounds=3, gain=-1.0)  # all three rounds, whatever they gain
    whole = Sweep(molecules, "hash", recipe, "whole").run(Size(BASE), 1e-2, 3)
    assert len(whole.rounds) == 3
    assert len({r["test"] for r in whole.rounds}) == 3
    fit, calls = sweep.fit, []

    def killed(*given):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return fit(*given)

    monkeypatch.setattr(sweep, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        Sweep(molecules, "hash", recipe, "cut").run(Size(BASE), 1e-2, 3)
    resumed = Sweep(molecules, "hash", recipe, "cut").run(Size(BASE), 1e-2, 3)
    assert len(calls) == 4
    assert resumed.rounds == whole.rounds
    for a, b in zip(resumed.encoder.parameters(), whole.encoder.parameters()):
        assert torch.equal(a, b)


def test_epochs_are_logged_beside_the_state(molecules, place, capsys):
    work = Sweep(molecules, "hash", RECIPE)
    work.run(Size(BASE, 8), 1e-2, 0)
    (folder,) = work.used
    assert len((folder / "log.txt").read_text().splitlines()) == 3
    assert capsys.readouterr().out == ""


def test_a_finished_run_is_read_back_until_the_sweep_is_closed(molecules, place, monkeypatch):
    work = Sweep(molecules, "hash", RECIPE)
    first = work.run(Size(BASE), 1e-2, 0)
    trained = []
    fit = sweep.fit
    monkeypatch.setattr(sweep, "fit", lambda *given: trained.append(1) or fit(*given))
    assert work.run(Size(BASE), 1e-2, 0).rounds == first.rounds
    assert not trained
    work.run(Size(BASE), 1e-2, 1)
    Sweep(molecules, "other data", RECIPE).run(Size(BASE), 1e-2, 0)
    assert len(trained) == 2
    work.close()
    assert work.run(Size(BASE), 1e-2, 0).rounds == first.rounds
    assert len(trained) == 3


def test_two_workers_find_the_same_bits_and_leave_nothing_to_train(molecules, monkeypatch, tmp_path):
    sizes, seeds = [Size(replace(BASE, layers=2)), Size(BASE)], [0, 1]
    name = f"trial-{tmp_path.name}"  # below the true scratch folder: other processes know nothing of a test's

    def everything(work):
        found = [work.runs(size, seeds) for size in sizes]
        return [rate for rate, _ in found], [run for _, runs in found for run in runs]

    spread = Sweep(molecules, "hash", RECIPE, name)
    try:
        spread.ahead(sizes, seeds, workers=2)
        with monkeypatch.context() as patch:
            patch.setattr(sweep, "fit", lambda *given: pytest.fail("trained again"))
            rates, runs = everything(spread)
    finally:
        spread.close()
        (sweep.paths.SCRATCH / name).rmdir()
    monkeypatch.setattr(sweep.paths, "SCRATCH", tmp_path)
    expected_rates, expected = everything(Sweep(molecules, "hash", RECIPE, name))
    assert rates == expected_rates
    for found, alone in zip(runs, expected):
        assert found.rounds == alone.rounds
        for a, b in zip(found.encoder.parameters(), alone.encoder.parameters()):
            assert torch.equal(a, b)


def test_the_rate_is_chosen_on_validation_alone(molecules, place, monkeypatch):
    """Other test molecules must not change the choice; a rate that diverges is never chosen."""
    rate, losses = Sweep(molecules, "hash", RECIPE).rate(Size(BASE))
    assert rate == min(losses, key=losses.get)
    assert set(losses) == {1e-3, 1e-2}
    other = molecules.take(np.arange(40))
    other.pos = other.pos + (np.repeat(other.split, other.sizes) == 2)[:, None] * np.float32(0.3)
    assert Sweep(other, "other", RECIPE).rate(Size(BASE))[1] == losses

    def diverges(model, loss, check, loader, schedule, *rest):
        if schedule.learning_rate == rate:
            raise FloatingPointError("the loss is nan")
        return [{"validation": 0.9}]

    monkeypatch.setattr(sweep, "fit", diverges)
    assert Sweep(molecules, "again", RECIPE).rate(Size(BASE))[0] != rate


def test_where_a_seed_diverges_all_take_the_next_lower_rate(molecules, place, monkeypatch):
    """Tuning, of another seed, liked the higher rate; the diverged run is not trained again to see that it does."""
    fit, trained = sweep.fit, []

    def unstable(model, loss, check, loader, schedule, seed, state):
        trained.append((schedule.learning_rate, seed))
        if schedule.learning_rate == 1e-2 and seed == 1:
            raise FloatingPointError("the loss is nan")
        return fit(model, loss, check, loader, schedule, seed, state)

    monkeypatch.setattr(sweep, "fit", unstable)
    work = Sweep(molecules, "hash", RECIPE)
    monkeypatch.setattr(work, "rate", lambda size: (1e-2, {}))
    rate, runs = work.runs(Size(BASE), [0, 1])
    assert rate == 1e-3
    assert [r.rounds for r in runs] == [work.run(Size(BASE), 1e-3, seed).rounds for seed in (0, 1)]
    assert trained == [(1e-2, 0), (1e-2, 1), (1e-3, 0), (1e-3, 1)]
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        work.run(Size(BASE), 1e-2, 1)
    assert len(trained) == 4
    monkeypatch.setattr(work, "recipe", replace(RECIPE, rates=(1e-2,)))
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        work.runs(Size(BASE), [0, 1])


def test_another_candidate_costs_no_more_than_itself(molecules, place, monkeypatch):
    Sweep(molecules, "hash", RECIPE).rate(Size(BASE))
    trained, fit = [], sweep.fit
    monkeypatch.setattr(sweep, "fit", lambda *given: trained.append(given[4].learning_rate) or fit(*given))
    Sweep(molecules, "hash", replace(RECIPE, rates=(1e-3, 1e-2, 3e-2))).rate(Size(BASE))
    assert trained == [3e-2]


def test_a_single_rate_costs_no_tuning(molecules, place):
    assert Sweep(molecules, "hash", replace(RECIPE, rates=(3e-3,))).rate(Size(BASE)) == (3e-3, {})


def test_the_second_objective_changes_the_weights(molecules, place):
    plain = Sweep(molecules, "hash", RECIPE).run(Size(BASE), 1e-2, 0)
    masked = Sweep(molecules, "hash", replace(RECIPE, objective="denoise+mask")).run(Size(BASE), 1e-2, 0)
    assert plain.equal != masked.equal
    assert [n for n, _ in plain.encoder.named_parameters()] == [n for n, _ in masked.encoder.named_parameters()]

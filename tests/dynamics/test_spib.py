from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from lib.dynamics import refinement, toy
from lib.dynamics.buffers import OnDisk
from lib.dynamics.clustering import kmeans, regular_space
from lib.dynamics.refinement import evaluate, fit, until_converged
from lib.dynamics.spib import (
    VARIANCES,
    Bottleneck,
    Settings,
    latent_means,
    predicted_states,
    renumbered,
    representatives,
)
from lib.dynamics.vampnet import Lobe, mlp


SMALL = Settings(hidden=(32,), decoder=(32,))
LAG = 10


def truth(trajectories):
    return np.concatenate([toy.well(t) for t in trajectories])


@pytest.fixture(scope="module")
def wells():
    return toy.four_wells(1000, 6, seed=1)


@pytest.fixture(scope="module")
def fitted(wells):
    return fit(wells, kmeans(wells, 12), LAG, 0, SMALL)


def bottleneck(states=3, outputs=2, variance="shared"):
    generator, settings = torch.Generator().manual_seed(0), Settings(outputs=outputs, variance=variance)
    lobe = Lobe(np.zeros(2), np.ones(2), settings.of_lobe, generator)
    return Bottleneck(lobe, torch.randn(states, 2, generator=generator), settings, generator)


@pytest.mark.parametrize("variance", VARIANCES)
def test_the_four_wells_are_found_whatever_the_seed(variance):
    """Twelve clusters merge to the four wells in at least eight of ten runs, each on its own data."""
    found = 0
    for seed in range(10):
        data = toy.four_wells(1000, 6, seed=100 + seed)
        result = fit(data, kmeans(data, 12, seed), LAG, seed, replace(SMALL, variance=variance))
        found += result.states == 4 and adjusted_rand_score(truth(data), np.concatenate(result.labels)) > 0.9
    assert found >= 8


def test_the_result_is_consistent(wells, fitted):
    assert not fitted.failed
    assert fitted.settled
    assert fitted.counts[0] == 12
    assert fitted.counts[-1] == fitted.states == 4
    assert (np.diff(fitted.counts) <= 0).all()
    assert fitted.populations.sum() == pytest.approx(1)
    assert (fitted.populations > 0).all()
    loss, entropy, kl = fitted.history[:, 1:4].T
    assert np.isnan(fitted.history[:, 4]).all()
    np.testing.assert_allclose(loss, entropy + SMALL.beta * kl, rtol=1e-5)
    for found, kept in zip(latent_means(fitted.model, wells), fitted.means):
        np.testing.assert_array_equal(found, kept)


def test_relabelling_settled_states_changes_nothing(fitted):
    again, kept = renumbered(predicted_states(fitted.model, fitted.means))
    np.testing.assert_array_equal(kept, np.arange(4))
    np.testing.assert_array_equal(np.concatenate(again), np.concatenate(fitted.labels))


def test_every_parameter_is_trained_after_each_refinement(wells, monkeypatch):
    """An optimiser that is made once leaves the new decoder rows and prior weights as they are (tasks.md 2)."""
    seen = []

    def spy(model, optimiser, *rest):
        held = {id(p) for group in optimiser.param_groups for p in group["params"]}
        assert held == {id(p) for p in model.parameters()}
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        yield from until_converged(model, optimiser, *rest)
        seen.append(model.states)
        for name, p in model.named_parameters():
            assert not torch.equal(before[name], p), f"{name} did not move in refinement {len(seen) - 1}"

    monkeypatch.setattr(refinement, "until_converged", spy)
    result = fit(wells, kmeans(wells, 12), LAG, 0, SMALL)
    assert len(seen) >= 3
    assert seen[0] == 12
    assert seen[-1] == result.states == 4


def test_a_fit_depends_on_its_seed_and_on_nothing_else(wells, fitted):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    again = fit(wells, kmeans(wells, 12), LAG, 0, SMALL)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(again.history, fitted.history)
    other = fit(wells, kmeans(wells, 12), LAG, 1, SMALL)
    assert not np.array_equal(other.history[:3], fitted.history[:3])


def test_the_kl_term_of_one_gaussian_is_the_analytic_one():
    """KL(N(m, v) || N(u, v)) = |m - u|^2 / 2v."""
    model = bottleneck(states=1)
    model.log_variance.data.fill_(-0.7)
    frame = torch.tensor([[0.3, -1.2]])
    noise = torch.randn(200_000, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        _, kl = model.terms(frame.expand(200_000, 2), torch.zeros(200_000, dtype=torch.int64), noise)
        exact = (model.lobe(frame) - model.lobe(model.representatives)).square().sum() / (2 * np.exp(-0.7))
    assert float(kl.mean()) == pytest.approx(float(exact), rel=0.02)


def test_the_kl_term_of_two_gaussians_of_their_own_is_the_analytic_one():
    """KL(N(m, v) || N(u, w)) = [ln(w / v) + v / w + (m - u)^2 / w - 1] / 2, summed over dimensions."""
    model = bottleneck(states=1, variance="own")
    frame = torch.tensor([[0.3, -1.2]])
    noise = torch.randn(200_000, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        _, kl = model.terms(frame.expand(200_000, 2), torch.zeros(200_000, dtype=torch.int64), noise)
        (m, v), (u, w) = (model.gaussian(x) for x in (frame, model.representatives))
        exact = 0.5 * (w - v + (v - w).exp() + (m - u).square() / w.exp() - 1).sum()
    assert not torch.allclose(v, w)
    assert ((v > -10) & (v < 0)).all()
    assert float(kl.mean()) == pytest.approx(float(exact), rel=0.02)


def test_an_unknown_variance_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="variance is 'two', expected one of shared, own"):
        Settings(variance="two")


@pytest.mark.parametrize("variance", VARIANCES)
def test_the_prior_is_a_normalised_density(variance):
    model = bottleneck(outputs=1, variance=variance)
    model.prior_logits.data = torch.tensor([0.5, -1.0, 2.0])
    z = torch.linspace(-15, 15, 4001)[:, None]
    with torch.no_grad():
        density = model.log_prior(z).exp() / np.sqrt(2 * np.pi)
    assert float(density.sum() * 30 / 4000) == pytest.approx(1, abs=1e-3)


def test_dropping_states_keeps_what_the_others_were_given():
    model, kept = bottleneck(states=4), torch.tensor([0, 3])
    z = torch.randn(20, 2, generator=torch.Generator().manual_seed(2))
    full, prior = model.decoder(z).detach(), model.prior_logits.detach().clone()
    frames = model.representatives.clone()
    model.keep(kept)
    torch.testing.assert_close(model.decoder(z).detach(), full[:, kept], rtol=0, atol=1e-6)
    torch.testing.assert_close(model.prior_logits.detach(), prior[kept])
    torch.testing.assert_close(model.representatives, frames[kept])
    assert model.decoder(z).softmax(1).sum(1).detach().numpy() == pytest.approx(1)


def test_a_representative_is_the_frame_at_the_centre_of_its_state():
    frames = [np.array([[0.0, 0], [1, 0], [2, 0]]), np.array([[9.0, 0], [10, 0], [11, 5], [1, 1]])]
    labels = [np.array([0, 0, 0]), np.array([1, 1, 1, 0])]
    np.testing.assert_array_equal(representatives(frames, frames, labels, 2), [[1, 0], [10, 0]])


def test_weights_decide_what_is_learned(wells):
    """Frames of weight zero have no say: labels that are wrong there do no harm."""
    labels = [toy.well(t) for t in wells]
    weights = [np.ones(len(t)) for t in wells]
    rng = np.random.default_rng(0)
    for x, w in zip(labels[:3], weights):
        x[:], w[:] = rng.integers(0, 4, len(x)), 0
    once = Settings(hidden=(32,), decoder=(32,), refinements=0)
    heard = fit(wells, labels, LAG, 0, once)
    ignored = fit(wells, labels, LAG, 0, once, weights)
    right = [adjusted_rand_score(truth(wells), np.concatenate(r.labels)) for r in (heard, ignored)]
    assert right[1] > 0.95
    assert evaluate(ignored, wells[3:], LAG)["loss"] < evaluate(heard, wells[3:], LAG)["loss"]
    doubled = fit(wells, labels, LAG, 0, once, [2 * w for w in weights])
    np.testing.assert_allclose(doubled.history, ignored.history, rtol=1e-4)


def test_new_trajectories_are_scored_on_the_labels_asked_for(fitted):
    new = toy.four_wells(4000, 3, seed=9)
    own = evaluate(fitted, new, LAG)
    assert own["loss"] == pytest.approx(own["cross_entropy"] + SMALL.beta * own["kl"], rel=1e-5)
    assert own["cross_entropy"] == pytest.approx(fitted.history[-1, 2], abs=0.1)
    shuffled = [np.random.default_rng(0).integers(0, 4, len(t)) for t in new]
    assert evaluate(fitted, new, LAG, shuffled)["cross_entropy"] > 1.3


def test_without_refinement_the_labels_given_stay_the_alphabet(wells):
    """Losses of two kinds of features compare on the same labels only, also where one predicts a label never."""
    labels = [2 * toy.well(t) for t in wells]
    for x in labels:
        x[::500] = 1  # too rare to be predicted ever
    result = fit(wells, labels, LAG, 0, Settings(hidden=(32,), decoder=(32,), refinements=0))
    assert result.states == 5
    assert 1 not in np.concatenate(result.labels)
    assert evaluate(result, wells[:2], LAG, [np.searchsorted([0, 1, 2, 4, 6], x) for x in labels[:2]])["loss"] < 0.6


def test_a_strong_bottleneck_collapses_and_says_so(wells):
    result = fit(wells, kmeans(wells, 6), LAG, 0, Settings(hidden=(8,), decoder=(8,), beta=100.0))
    assert "all frames fell into one state" in result.failed
    assert result.states == 1


def test_the_best_epoch_of_the_validation_part_is_restored(wells, monkeypatch):
    """Validation gets worse from the second epoch on: the weights must be those of the first one."""
    losses, seen = iter([0.5, 0.7, 0.9]), []
    original = refinement.run_epoch

    def spy(model, buffers, labels, weights, lag, generator, settings, optimiser=None):
        if optimiser is None:
            assert not model.training
            seen.append({name: p.detach().clone() for name, p in model.named_parameters()})
            return next(losses), 0.0, 0.0
        return original(model, buffers, labels, weights, lag, generator, settings, optimiser)

    monkeypatch.setattr(refinement, "run_epoch", spy)
    once = Settings(hidden=(16,), refinements=0, validation=0.2)
    result = fit(wells, [toy.well(t) for t in wells], LAG, 0, once)
    np.testing.assert_array_equal(result.history[:, 4], [0.5, 0.7, 0.9])
    for name, p in result.model.named_parameters():
        assert torch.equal(p, seen[0][name])
        assert not torch.equal(p, seen[2][name])


def test_a_validation_part_keeps_noise_from_being_learned(wells):
    """300 frames with 40 columns of noise each, and far too many epochs."""
    rng = np.random.default_rng(0)
    padded = [np.concatenate([t, rng.standard_normal((len(t), 40))], 1).astype(np.float32) for t in wells]
    train, test = [t[:300] for t in padded], [t[400:] for t in padded]
    known, asked = ([toy.well(t) for t in part] for part in (train, test))
    settings = Settings(refinements=0, epochs=60, calm=60)
    careless, careful = (fit(train, known, LAG, 0, replace(settings, validation=v)) for v in (0.0, 0.2))
    assert evaluate(careful, test, LAG, asked)["loss"] < 0.9 * evaluate(careless, test, LAG, asked)["loss"]


class Tokens(torch.nn.Module):
    """A lobe of tokens: each one alone, and the sum."""

    def __init__(self, mean, spread, settings, generator):
        super().__init__()
        self.layers = mlp((mean.shape[-1], 16, settings.outputs), generator)

    def forward(self, tokens):
        return self.layers(tokens[:, :, 0]).sum(1)


def test_tokens_on_disk_serve_as_arrays_in_memory_do(wells, tmp_path):
    tokens = [np.stack([np.stack([t] + [0 * t] * 3, 1), np.stack([0.5 * t] + [0 * t] * 3, 1)], 1) for t in wells]
    with h5py.File(tmp_path / "tokens.h5", "w") as file:
        for i, t in enumerate(tokens):
            file[str(i)] = t
    disk = [OnDisk.whole(tmp_path / "tokens.h5", str(i)) for i in range(len(tokens))]
    quick, labels = Settings(decoder=(16,), refinements=1, epochs=3), kmeans(wells, 8)
    memory, same = (fit(t, labels, LAG, 0, quick, network=Tokens) for t in (tokens, disk))
    np.testing.assert_array_equal(memory.history, same.history)
    streamed = fit(disk, labels, LAG, 0, Settings(decoder=(16,), buffer=2000), network=Tokens)
    assert streamed.states == 4
    assert adjusted_rand_score(truth(wells), np.concatenate(streamed.labels)) > 0.9


def test_clusters_by_distance(wells):
    labels = np.concatenate(regular_space(wells, 0.8))
    assert 5 < labels.max() + 1 < 30
    with pytest.raises(ValueError, match=r"more than 10 centres lie 0\.05 apart"):
        regular_space(wells, 0.05, most=10)


@pytest.mark.parametrize(
    ("labels", "weights", "message"),
    [
        ([np.zeros(20, int)] * 2, None, r"labels have the shapes \[\(20,\), \(20,\)\], expected \[20, 25\] by frames"),
        ([np.zeros(20, int), np.zeros(25, int)], None, r"hold the state \[0\] only"),
        ([np.arange(20), np.arange(25)], [np.ones(20), -np.ones(25)], "weights are negative"),
        ([np.arange(20), np.arange(25)], [np.ones(20)], "weights have the shapes"),
    ],
)
def test_wrong_input(labels, weights, message):
    with pytest.raises(ValueError, match=message):
        fit([np.random.rand(20, 2), np.random.rand(25, 2)], labels, 3, 0, SMALL, weights)  # noqa: NPY002

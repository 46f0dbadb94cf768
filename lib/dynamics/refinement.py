"""Training of SPIB: to convergence on the labels at hand, new labels from the model, and so on until they settle."""

import copy

import numpy as np
import torch

from lib.dynamics.buffers import Buffers
from lib.dynamics.spib import Bottleneck, Fit, Settings, latent_means, predicted_states, renumbered, representatives
from lib.dynamics.vamp import lagged_pairs
from lib.dynamics.vampnet import CONSTANT, Lobe, Network, check_features, inner_split, transform
from lib.threads import single_thread


def fit(
    trajectories: list[np.ndarray],
    labels: list[np.ndarray],
    lag: int,
    seed: int,
    settings: Settings,
    weights: list[np.ndarray] | None = None,
    network: Network = Lobe,
) -> Fit:
    """SPIB of trajectories, from initial labels on.

    trajectories: list of (frame, ...) float32 trajectories, see `buffers`; labels: list of (frame,) ints, a fine
    partition; lag in frames; weights: list of (frame,) of biased data, of which that of x_t counts, None for equal
    ones; network: makes the lobe, as for a VAMPnet. A fit depends on its seed and its data only. Raises ValueError for
    features that are not finite, lengths that differ, trajectories within the lag, fewer than two labels, or weights
    that are negative or all zero. A run that diverges or ends with one state is returned with `failed` set.
    """
    check_features(trajectories, "training")
    lengths = [len(t) for t in trajectories]
    lagged_pairs(lengths, lag)
    weights = [np.ones(n) for n in lengths] if weights is None else weights
    for name, series in (("labels", labels), ("weights", weights)):
        if [np.shape(s) for s in series] != [(n,) for n in lengths]:
            raise ValueError(f"{name} have the shapes {[np.shape(s) for s in series]}, expected {lengths} by frames")
    joined = np.concatenate(weights)
    if not (np.isfinite(joined).all() and (joined >= 0).all() and joined.any()):
        raise ValueError("weights are negative, not finite or all zero, expected numbers >= 0")
    labels, kept = renumbered(labels)
    if len(kept) < 2:
        raise ValueError(f"the initial labels hold the state {kept} only, expected at least two")
    weights = [np.asarray(w, np.float32) for w in weights]
    with single_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of dropout, which takes no generator
        generator = torch.Generator().manual_seed(seed)
        return refine(trajectories, labels, weights, lag, generator, settings, network)


def refine(trajectories, labels, weights, lag: int, generator, settings: Settings, network: Network) -> Fit:
    """The loop of `fit`, on checked input."""
    parts = Parts(trajectories, weights, lag, settings)
    mean, spread = parts.train.moments()
    spread[spread < CONSTANT * spread.max()] = 1.0
    lobe = network(mean.numpy(), spread.numpy(), settings.of_lobe, generator).to(settings.device)
    means = [found[:, : settings.outputs] for found in transform(lobe, trajectories)]
    counts = [1 + max(int(x.max()) for x in labels)]
    prior = representatives(trajectories, means, labels, counts[0])
    model = Bottleneck(lobe, prior, settings, generator).to(settings.device)
    history, changes, failed, calm = [], [], "", 0
    for refinement in range(settings.refinements + 1):
        optimiser = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
        for terms in until_converged(model, optimiser, parts, labels, generator):
            history.append((refinement, *terms))
        if not np.isfinite(history[-1][1]):
            failed = f"refinement {refinement}: the loss is {history[-1][1]}"
            break
        means = latent_means(model, trajectories)
        found = predicted_states(model, means)
        changes.append(float(np.mean(np.concatenate(found) != np.concatenate(labels))))
        if settings.refinements == 0:
            labels = found
            break
        labels, kept = renumbered(found)
        model.keep(torch.from_numpy(kept))
        counts.append(len(kept))
        calm = calm + 1 if changes[-1] < settings.changed else 0
        if len(kept) == 1:
            failed = f"refinement {refinement}: all frames fell into one state"
        if failed or calm >= settings.patience or refinement == settings.refinements:
            break
        model.renew_prior(representatives(trajectories, means, labels, len(kept)))
    settled = calm >= settings.patience
    return Fit(model.cpu().eval(), labels, means, np.array(history), counts, changes, settled, failed, settings)


class Parts:
    """What is trained on, and what decides when to stop, a lag apart: frames and weights."""

    def __init__(self, trajectories: list, weights: list[np.ndarray], lag: int, settings: Settings):
        self.lag, self.settings, self.inner = lag, settings, None
        train, inner = self.split(trajectories)
        self.train = Buffers(train, settings.buffer, lag, settings.device)
        self.weights, self.inner_weights = self.split(weights)
        if inner:
            lagged_pairs([len(t) for t in inner], lag)
            self.inner = Buffers(inner, settings.buffer, lag, settings.device)

    def split(self, series: list) -> tuple[list, list]:
        """The training and the validation part of a series (frame, ...) of each trajectory."""
        return inner_split(series, self.settings.validation, self.lag) if self.settings.validation else (series, [])


def until_converged(model: Bottleneck, optimiser, parts: Parts, labels: list[np.ndarray], generator: torch.Generator):
    """Train on fixed labels; yields loss, cross-entropy, KL term and validation loss of each epoch, nats.

    With a validation part the weights of the best epoch are restored.
    """
    settings, (known, asked) = parts.settings, parts.split(labels)
    lowest, calm, best = np.inf, 0, None
    for _ in range(settings.epochs):
        model.train()
        terms = run_epoch(model, parts.train, known, parts.weights, parts.lag, generator, settings, optimiser)
        decisive, validation = terms[0], float("nan")
        if parts.inner is not None:
            same = torch.Generator().manual_seed(0)  # the same noise at each epoch
            with torch.no_grad():
                model.eval()
                decisive, *_ = run_epoch(model, parts.inner, asked, parts.inner_weights, parts.lag, same, settings)
            validation = decisive
        yield (*terms, validation)
        calm = 0 if decisive < lowest - settings.tolerance else calm + 1
        if decisive < lowest:
            lowest, best = decisive, copy.deepcopy(model.state_dict()) if parts.inner is not None else None
        if calm >= settings.calm or not np.isfinite(decisive):
            break
    if best is not None:
        model.load_state_dict(best)


def run_epoch(
    model: Bottleneck,
    buffers: Buffers,
    labels: list[np.ndarray],
    weights: list[np.ndarray],
    lag: int,
    generator: torch.Generator,
    settings: Settings,
    optimiser: torch.optim.Optimizer | None = None,
) -> tuple[float, float, float]:
    """One pass over all pairs; weighted means of the loss, the cross-entropy and the KL term, nats.

    Without an optimiser nothing is trained.
    """
    total, mass = np.zeros(3), 0.0
    for frames, pieces in buffers.epoch(generator):
        first, second = lagged_pairs([b - a for _, a, b in pieces], lag)
        later = torch.from_numpy(np.concatenate([labels[i][a:b] for i, a, b in pieces])[second])
        weight = torch.from_numpy(np.concatenate([weights[i][a:b] for i, a, b in pieces])[first])
        for chosen in torch.randperm(len(first), generator=generator).split(settings.batch):
            share = weight[chosen].to(frames.device)
            if not share.sum() > 0:
                continue
            rows = torch.from_numpy(first)[chosen].to(frames.device)
            noise = torch.randn(len(rows), settings.outputs, generator=generator).to(frames.device)
            entropy, kl = model.terms(frames.index_select(0, rows), later[chosen].to(frames.device), noise)
            entropy, kl = ((share * term).sum() / share.sum() for term in (entropy, kl))
            loss = entropy + settings.beta * kl
            if optimiser is not None:
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
            total += float(share.sum()) * np.array([loss.item(), entropy.item(), kl.item()])
            mass += float(share.sum())
    if mass == 0:
        raise ValueError("all weights of a training, validation or test part are zero, expected some above it")
    return tuple((total / mass).tolist())


def evaluate(
    result: Fit, trajectories: list[np.ndarray], lag: int, labels: list[np.ndarray] | None = None, seed: int = 0
) -> dict[str, float]:
    """Loss, cross-entropy and KL term of a trained model on other trajectories, nats.

    labels: list of (frame,) ints, states of these frames by the model when None. Losses compare only between models
    that predict the same labels: the alphabet shrinks as SPIB refines it.
    """
    check_features(trajectories, "test")
    labels = predicted_states(result.model, latent_means(result.model, trajectories)) if labels is None else labels
    equal = [np.ones(len(x), np.float32) for x in labels]
    with single_thread(), torch.no_grad():
        generator = torch.Generator().manual_seed(seed)
        buffers = Buffers(trajectories, result.settings.buffer, lag)
        terms = run_epoch(result.model.eval(), buffers, labels, equal, lag, generator, result.settings)
    return dict(zip(("loss", "cross_entropy", "kl"), terms))

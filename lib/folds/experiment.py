"""One comparison: the same host with different things in its token slot, on the same splits and seeds."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice, product
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import nn

from lib import hosts
from lib.data.domains import TESTS, DomainSet
from lib.folds.controls import ARMS, atom_counts, permuted
from lib.folds.windows import Windows, tokens
from lib.hosts.adapter import Adapter
from lib.hosts.pronet import ProNet
from lib.hosts.proteins import proteins
from lib.hosts.sequence import SequenceHost
from lib.models import Encoder, random_encoder
from lib.paths import SCRATCH
from lib.threads import single_thread
from lib.train.folds import Recipe, fit, logits


HOSTS = ("pronet", "sequence")


@dataclass(frozen=True)
class Host:
    """A host and its size. name: "pronet" or "sequence"; level: of ProNet. adapter: width of the token slot.

    layer_noise, euler_noise: of ProNet in training.
    """

    name: str = "pronet"
    level: str = "backbone"
    hidden: int = 128
    blocks: int = 4
    dropout: float = 0.3
    layer_noise: float = 0.0
    euler_noise: float = 0.0
    adapter: int = 32

    def build(self, classes: int, channels: int, seed: int) -> nn.Module:
        """A new host whose weights the seed fixes; raises ValueError for an unknown name."""
        if self.name not in HOSTS:
            raise ValueError(f"host {self.name!r} is not one of {', '.join(HOSTS)}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            slot = Adapter(channels, self.adapter)
            if self.name == "sequence":
                return SequenceHost(classes, slot, self.hidden, self.blocks, dropout=self.dropout)
            return ProNet(
                classes,
                self.level,
                slot,
                self.hidden,
                self.blocks,
                dropout=self.dropout,
                noise=self.layer_noise,
                euler_noise=self.euler_noise,
            )


@dataclass
class Outcome:
    """What one trained host says: history of the training, accuracy (share) on the training domains with the kept
    weights, parameters, and for each test split the logits (n, classes).
    """

    history: list[dict]
    training: float
    parameters: int
    logits: dict[str, np.ndarray]


def slot(arm: str, domains: DomainSet, encoder: Encoder, windows: Windows, seed: int) -> np.ndarray | None:
    """Tokens (R, T) float16 that an arm puts in the slot, None for an empty one; ValueError for an unknown arm.

    Random weights, and how tokens are dealt, are drawn anew for each seed.
    """
    if arm not in ARMS:
        raise ValueError(f"arm {arm!r} is not one of {', '.join(ARMS)}")
    if arm == "none":
        return None
    if arm == "counts":
        return atom_counts(domains, windows, 2 * encoder.config.hidden)
    if arm == "random":
        return tokens(random_encoder(encoder.config, seed, encoder.neighbors), domains, windows)
    found = tokens(encoder, domains, windows)
    return permuted(found, seed) if arm == "permuted" else found


def digest(*parts) -> str:
    """Short digest of arrays, plain values and the code of this comparison."""
    code = [Path(__file__).parent, Path(hosts.__file__).parent]
    sources = [p for folder in code for p in sorted(folder.glob("*.py"))] + [Path(fit.__code__.co_filename)]
    found = hashlib.sha256(torch.__version__.encode() + b"".join(p.read_bytes() for p in sources))
    for part in parts:
        found.update(part.tobytes() if isinstance(part, np.ndarray) else json.dumps(part, sort_keys=True).encode())
    return found.hexdigest()[:16]


@single_thread()
def trial(
    domains: DomainSet,
    filled: np.ndarray | None,
    channels: int,
    host: Host,
    recipe: Recipe,
    seed: int,
    folder: Path = SCRATCH / "hosts",
    device: str = "cpu",
    progress: bool = False,
) -> Outcome:
    """Train one host with one seed and test it; a finished trial is read again, a killed one goes on.

    filled: what is in the slot, (R, channels) or None. The epoch is chosen on the validation split; the tests are
    looked at once, with the weights of that epoch.
    """
    what = (domains.pos, domains.split, domains.label, np.zeros(1) if filled is None else filled)
    name = digest(*what, channels, asdict(host), asdict(recipe), seed, str(device))
    path = folder / f"{name}.pt"
    if not path.exists():
        everything = proteins(domains, filled).to(device)
        part = lambda split: everything.pick(torch.from_numpy(domains.of_split(split)).to(device))  # noqa: E731
        model = host.build(len(domains.classes), channels, seed).to(device)
        training = part("training")
        if training.tokens is not None:
            model.adapter.standardise(training.tokens)
        history = fit(model, training, part("validation"), recipe, seed, folder / f"{name}.state", progress)
        saved = {
            "history": history,
            "training": float((logits(model, training).argmax(1) == training.label).float().mean()),
            "parameters": sum(p.numel() for p in model.parameters()),
            "logits": {split: logits(model, part(split)).cpu() for split in TESTS if len(domains.of_split(split))},
        }
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(saved, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)
    saved = torch.load(path, weights_only=True)
    saved["logits"] = {split: values.numpy() for split, values in saved["logits"].items()}
    return Outcome(**saved)


def compare(
    domains: DomainSet,
    arms: list[str],
    encoder: Encoder,
    windows: Windows,
    host: Host,
    recipe: Recipe,
    seeds: list[int],
    report: Callable[[str], None] = print,
    jobs: int = 1,
    **options,
) -> dict[str, list[Outcome]]:
    """Every arm with every seed on `jobs` processes; `report` is told of each arm that is done.

    options: of `trial`.
    """
    cases = list(product(arms, seeds))
    slots = (slot(arm, domains, encoder, windows, seed) for arm, seed in cases)  # in this process: they share files
    trained = Parallel(n_jobs=jobs, return_as="generator")(
        delayed(trial)(domains, filled, 2 * encoder.config.hidden, host, recipe, seed, **options)
        for filled, (_, seed) in zip(slots, cases)
    )
    found: dict[str, list[Outcome]] = {}
    for arm in arms:
        found[arm] = list(islice(trained, len(seeds)))
        reached = np.mean([max(r["validation"] for r in o.history) for o in found[arm]])
        learned = np.mean([o.training for o in found[arm]])
        report(f"{host.name} {arm:11s} training {learned:6.1%}  best validation {reached:6.1%}")
    return found


def right(outcomes: list[Outcome], domains: DomainSet, split: str) -> np.ndarray:
    """(seed, n) bool: which domains of a split each trial names rightly."""
    labels = domains.label[domains.of_split(split)]
    return np.stack([o.logits[split].argmax(1) == labels for o in outcomes])


def voted(outcomes: list[Outcome], domains: DomainSet, split: str) -> np.ndarray:
    """(n,) bool: the same for the mean of the seeds' logarithmic probabilities."""
    labels = domains.label[domains.of_split(split)]
    scores = [torch.from_numpy(o.logits[split]).log_softmax(1).numpy() for o in outcomes]
    return np.mean(scores, 0).argmax(1) == labels

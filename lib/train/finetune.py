"""How a supervised task begins, from a checkpoint or without, and how each of its many fits is done once.

scratch: random weights, trained. finetuned: pre-trained weights, trained. frozen: pre-trained weights as they are,
under a read-out that is trained. The read-out is new in all three, and the same for one seed.
"""

import copy
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from lib import paths
from lib.data.checksum import sha256
from lib.data.molecules import SPLITS, MoleculeSet, load
from lib.models import Encoder, EncoderConfig, load_encoder, random_encoder
from lib.threads import single_thread
from lib.train import sweep
from lib.train.loop import Schedule, read_state
from lib.train.plateau import Plateau


STARTS = ("scratch", "finetuned", "frozen")
ORDERS = ("cosine", "plateau", "constant")
HELD_OUT = 500  # geometries, about, that a pre-training is validated and tested on: enough to choose an epoch


@dataclass(frozen=True)
class Recipe:
    """How one fit is trained. order: of the learning rate. patience, stop: epochs, of "plateau" alone."""

    epochs: int
    batch_size: int
    learning_rate: float
    warmup: int = 0  # steps
    order: str = "cosine"
    patience: int = 15
    stop: int = 150
    clip: float | None = None

    def schedule(self) -> Schedule | Plateau:
        """A new one, for one fit; raises ValueError for an unknown order."""
        if self.order not in ORDERS:
            raise ValueError(f"order of the learning rate is {self.order!r}, expected one of {', '.join(ORDERS)}")
        if self.order == "plateau":
            return Plateau(
                self.epochs, self.learning_rate, self.warmup, self.clip, patience=self.patience, stop=self.stop
            )
        return Schedule(self.epochs, self.learning_rate, self.warmup, self.order == "cosine", self.clip)


def begin(start: str, config: EncoderConfig, seed: int, pretrained: Encoder | None = None) -> Encoder:
    """The encoder that a fit starts with; what was pre-trained is copied, not changed.

    Raises ValueError for an unknown start, and for pre-trained weights that are missing or of another architecture.
    """
    if start not in STARTS:
        raise ValueError(f"start is {start!r}, expected one of {', '.join(STARTS)}")
    if start == "scratch":
        encoder = random_encoder(config, seed)
    else:
        if pretrained is None:
            raise ValueError(f"start {start!r} needs a pre-trained encoder")
        if pretrained.config != config:
            raise ValueError(f"the pre-trained encoder is {pretrained.config}, expected {config}")
        encoder = copy.deepcopy(pretrained)
    encoder.check = False  # the set was checked as a whole when it was loaded
    return encoder.requires_grad_(start != "frozen")


class Pretraining:
    """Where pre-trained encoders come from: a packed set to denoise, for any size and seed, or one checkpoint.

    source: folder with molecules.h5, or a checkpoint as `load_encoder` takes it. without: SMILES that are left out of
    the set, so that no molecule of a test was seen in any form; `left_out` says how many geometries that were.
    """

    def __init__(self, source: str | Path, recipe: sweep.Recipe, without: np.ndarray = (), device: str = "cpu"):
        path = Path(source) if Path(source).is_absolute() else paths.ROOT / source
        self.left_out, self.sweep, self.checkpoint, self.device = 0, None, path, device
        if (path / "molecules.h5").exists():
            molecules = load(path / "molecules.h5")
            seen = np.zeros(len(molecules), bool)
            if len(without):
                seen = np.isin(canonical(molecules.smiles), canonical(without))
            self.left_out = int(seen.sum())
            rows = [part[~seen[part]] for part in map(molecules.of_split, SPLITS)]
            rows[1:] = [part[:: max(1, len(part) // HELD_OUT)] for part in rows[1:]]
            own = molecules.take(np.sort(np.concatenate(rows)))
            own = MoleculeSet(own.z, own.pos, own.offsets, own.split, own.smiles)  # the labels are not for denoising
            digest = f"{sha256(path / 'molecules.h5')}-{self.left_out}-{HELD_OUT}"
            self.sweep = sweep.Sweep(own, digest, recipe, "pretraining", device)

    def encoder(self, config: EncoderConfig, seed: int) -> Encoder:
        """Pre-trained with these hyper-parameters; a checkpoint is the same for all seeds, and must have them."""
        if self.sweep is None:
            return load_encoder(self.checkpoint, self.device)
        recipe, train = self.sweep.recipe, int((self.sweep.molecules.split == SPLITS.index("train")).sum())
        # a set smaller than the samples is gone through several times
        size = sweep.Size(config, train if train < recipe.samples else None)
        return self.sweep.run(size, recipe.rates[0], seed).encoder

    def close(self) -> None:
        """Forget the encoders that were trained here."""
        if self.sweep:
            self.sweep.close()


def ahead(work: Callable, cases: list[tuple], workers: int) -> None:
    """Do on `workers` processes what will be asked for, `work(*case)`; it is then read back, the same bits.

    work: a call that keeps what it makes under scratch/, as those of `Trials` and `Pretraining` do; no two cases may
    make the same. One worker does nothing here. Give the costliest cases first.
    """
    if workers > 1:
        Parallel(n_jobs=workers, max_nbytes=None)(delayed(work)(*case) for case in cases)


def canonical(smiles: np.ndarray) -> np.ndarray:
    """(n,) str without stereochemistry, the same for every way of writing a molecule; what RDKit cannot read stays."""
    from rdkit import Chem, RDLogger

    RDLogger.DisableLog("rdApp.*")
    distinct, place = np.unique(np.asarray(smiles, str), return_inverse=True)
    read = [Chem.MolFromSmiles(s) for s in distinct]
    written = [Chem.MolToSmiles(m, isomericSmiles=False) if m else s for m, s in zip(read, distinct)]
    return np.array(written, str)[place]


class Trials:
    """The fits of one study: each outcome is kept under scratch/ until `close`, so that a killed study goes on."""

    def __init__(self, name: str, *settings):
        self.name, self.settings, self.used = name, settings, set()

    def once(self, make: Callable[[Path], dict], *settings) -> dict:
        """make(file for its resume state), or what it gave before: tensors, numbers and strings by name.

        What it prints goes to log.txt in its folder: a resumed study then reads like one that was never interrupted.
        """
        folder = paths.scratch(self.name, *self.settings, *settings)
        self.used.add(folder)
        if (done := read_state(folder / "outcome.pt")) is not None:
            return done
        folder.mkdir(parents=True, exist_ok=True)
        with single_thread(), (folder / "log.txt").open("a") as log, redirect_stdout(log):
            outcome = make(folder / "state.pt")
        sweep.save(outcome, folder / "outcome.pt")
        return outcome

    def close(self) -> None:
        """Forget all outcomes that were asked for."""
        for folder in self.used:
            shutil.rmtree(folder, ignore_errors=True)

"""What test_ranks.py starts under torchrun: a short float64 training, after which each rank writes what it saw."""

import json
import sys
from pathlib import Path

import torch

from lib import distributed
from lib.data.molecules import load
from lib.models import EncoderConfig, random_encoder
from lib.train.denoise import Validation, error, loaders, loss
from lib.train.loop import Schedule, fit


def train(folder: Path, ema: float | None, stop: int | None = None) -> dict:
    """History and errors of a fit to `folder`/molecules.h5; `stop` ends it at that call of the loss."""
    parts = loaders(load(folder / "molecules.h5"), 7, None, 0, distributed.join(), dtype=torch.float64)
    encoder = random_encoder(EncoderConfig(layers=1, hidden=8, rbf=8, cutoff=4.0, heads=2), 0).double()
    calls = []

    def counted(model, batch, generator):
        calls.append(len(batch.z))
        if len(calls) == stop:
            raise KeyboardInterrupt
        return loss(model, batch, generator)

    schedule = Schedule(3, 0.1, clip=0.01)
    options = {"ema": ema, "save_minutes": 0.0}
    validation = Validation(parts["validation"])
    history = fit(encoder, counted, validation, parts["train"], schedule, 0, folder / "state.pt", **options)
    return {"history": history, "errors": error(encoder, parts["test"]).tolist(), "atoms": calls}


if __name__ == "__main__":
    found = train(Path(sys.argv[1]), float(sys.argv[2]) or None)
    Path(sys.argv[1], f"rank-{distributed.rank()}.json").write_text(json.dumps(found))
    distributed.leave()

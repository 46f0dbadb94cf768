"""Several ranks do the same training as one."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from train.ranks import train

from lib.data.loader import Loader
from lib.data.molecules import save
from lib.models import EncoderConfig, random_encoder
from lib.paths import ROOT
from lib.train.denoise import loss
from lib.verify.execute import environment


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
@pytest.mark.parametrize("options", [{"batch_size": 4}, {"atoms_per_batch": 30}], ids=str)
def test_gradient_of_the_shares_is_that_of_the_batch(molecules, ranks, options):
    """Mean over ranks of the weighted gradients, as DistributedDataParallel takes it; some batches are too small."""
    encoder = random_encoder(EncoderConfig(layers=1, hidden=8, rbf=8, cutoff=4.0, heads=2), 0).double()

    def gradients(rank, ranks):
        loader = Loader(molecules, np.arange(22), dtype=torch.float64, rank=rank, ranks=ranks, **options)
        generator, found = torch.Generator().manual_seed(0), []
        for batch in loader.epoch(1):
            value = loss(encoder, batch, generator) * batch.part * ranks
            found.append(torch.cat([g.ravel() for g in torch.autograd.grad(value, encoder.parameters())]))
        return torch.stack(found)

    shared = sum(gradients(rank, ranks) for rank in range(ranks)) / ranks
    torch.testing.assert_close(shared, gradients(0, 1), rtol=1e-10, atol=1e-14)


def test_two_processes_give_the_curve_of_one(molecules, tmp_path):
    save(molecules, tmp_path / "molecules.h5")
    alone = train(tmp_path, ema=0.9)
    command = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", str(ROOT / "tests/train/ranks.py")]
    done = subprocess.run(
        [sys.executable, "-m", *command, str(tmp_path), "0.9"],
        env=environment() | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("epoch")]
    assert len(lines) == len(alone["history"]), "rank 0 alone prints"
    both = [json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in range(2)]
    assert [a + b for a, b in zip(*(found["atoms"] for found in both))] == alone["atoms"]
    for found in both:
        for name in ("train", "validation"):
            expected = [record[name] for record in alone["history"]]
            assert [record[name] for record in found["history"]] == pytest.approx(expected, rel=0, abs=1e-8)
        assert found["errors"] == pytest.approx(alone["errors"], rel=0, abs=1e-8)
    assert np.ptp([record["validation"] for record in alone["history"]]) > 1e-4, "it has learned something"


def test_a_run_killed_in_an_epoch_goes_on_from_that_batch(molecules, tmp_path):
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
        save(molecules, tmp_path / name / "molecules.h5")
    whole = train(tmp_path / "whole", ema=0.9)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", ema=0.9, stop=7)
    resumed = train(tmp_path / "cut", ema=0.9)
    assert (resumed["history"], resumed["errors"]) == (whole["history"], whole["errors"])
    assert resumed["atoms"] == whole["atoms"][6:]

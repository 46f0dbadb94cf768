"""Public sets, packed from miniatures in their true formats, are learned as they come."""

import numpy as np
import pytest
import torch
from data.sources import miniature
from data.sources.miniature import saved

from lib.data.molecules import load
from lib.data.sources import md17, qm9, xxmd
from lib.models import EncoderConfig, random_encoder
from lib.train import forces, properties
from lib.train.finetune import Recipe, begin


CONFIG = EncoderConfig("et", 1, 8, 8, 4.0)
ONCE = Recipe(epochs=1, batch_size=8, learning_rate=1e-3)


def packed(source, files, folder):
    """The only set that comes of a source's files."""
    saved(files, folder / "raw")
    (place,) = source.make(folder / "raw", folder / source.name, None, 0)
    return load(place / "molecules.h5")


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # when PyG is first imported
def test_qm9_by_each_kind_of_read_out(tmp_path, monkeypatch):
    monkeypatch.setattr(qm9, "ALL", 60)
    monkeypatch.setattr(qm9, "UNCHARACTERISED", 3)
    found = packed(qm9.SOURCE, miniature.qm9(60, [3, 17, 40]), tmp_path)
    for name in ("u0_eV", "mu_D", "r2_a02"):
        target = properties.prepare(found, name, found.split, "free atoms")
        begun = begin("finetuned", CONFIG, 0, random_encoder(CONFIG, 1))
        done = properties.fit(begun, found, found.split, target, ONCE, 0, tmp_path / "state.pt")
        assert done["errors"].shape == (7,)
        assert torch.isfinite(done["errors"]).all()
    bound = properties.prepare(found, "u0_eV", found.split, "free atoms").values
    assert np.abs(bound).max() < 0.01 * np.abs(found.molecule["u0_eV"]).max(), "without the free atoms little is left"


@pytest.mark.parametrize(
    ("source", "files", "tested"),
    [(xxmd, lambda: {"mal_dft.zip": miniature.xxmd()["mal_dft.zip"]}, 4), (md17, lambda: miniature.md17(200), 20)],
    ids=["xxmd", "md17"],
)
def test_dynamics_by_the_split_that_is_stored(tmp_path, monkeypatch, source, files, tested):
    if source is xxmd:
        monkeypatch.setattr(xxmd, "FILES", [file for file in xxmd.FILES if file.name == "mal_dft.zip"])
    found = packed(source.SOURCE, files(), tmp_path)
    rows = forces.chosen(found, found.split, {"train": 10})
    done = forces.fit(begin("scratch", CONFIG, 0), found, rows, ONCE, (0.2, 0.8), 0, tmp_path / "state.pt")
    assert done["forces"].shape == done["energies"].shape == (tested,)
    assert torch.isfinite(done["forces"]).all()
    assert float(done["energies"].mean()) < 1e6, "meV about the training mean, not total energies"

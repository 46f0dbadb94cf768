import numpy as np
import pytest
import torch

from lib.dynamics.epoch import jittered, prepared
from lib.mixers import parameter_count
from lib.models import EncoderConfig


TINY = EncoderConfig("et", layers=1, hidden=8, rbf=4, cutoff=4.0)
MIXER = {"name": "none", "width": 8}


def test_every_way_does_what_its_name_says():
    runs = {way: prepared(way, TINY, "ala2", 6, batches=2, **MIXER) for way in ("frozen", "embedding", "joint")}
    assert runs["embedding"]().shape == (13, 3, 4, 8)
    assert parameter_count(runs["joint"].lobe) > parameter_count(runs["frozen"].lobe)
    for way in ("frozen", "joint"):
        before = [p.detach().clone() for p in runs[way].lobe.parameters()]
        assert np.isfinite(runs[way]())
        assert any(not torch.equal(a, b) for a, b in zip(before, runs[way].lobe.parameters()))


def test_frames_are_jittered_around_the_start_and_unknown_ways_are_refused():
    z, residue, pos = jittered("pentapeptide", 3, seed=1)
    assert pos.shape == (3, 94, 3)
    assert len(z) == len(residue) == 94
    assert 0.05 < (pos[0] - pos[1]).std() / 2**0.5 < 0.15
    with pytest.raises(ValueError, match="way is 'melted', expected one of frozen, embedding, joint"):
        prepared("melted", TINY, "ala2", 6)

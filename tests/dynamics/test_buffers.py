import h5py
import numpy as np
import pytest
import torch

from lib.dynamics.buffers import Buffers, OnDisk, chunks, part
from lib.dynamics.crossvalidation import cross_validate
from lib.dynamics.vampnet import Settings, fit


@pytest.fixture
def stored(tmp_path):
    """Two trajectories (frame, 3) in memory, and the same on disk."""
    rng = np.random.default_rng(0)
    trajectories = []
    for frames in (3000, 2200):
        slow = np.cumsum(rng.random(frames) < 0.02) % 2
        noise = rng.standard_normal((frames, 3))
        trajectories.append((np.outer(slow, [2.0, 0, 0]) + [0.5, 1, 0] * noise).astype(np.float32))
    with h5py.File(tmp_path / "t.h5", "w") as file:
        for i, trajectory in enumerate(trajectories):
            file.create_dataset(str(i), data=trajectory)
    return trajectories, [OnDisk.whole(tmp_path / "t.h5", str(i)) for i in range(2)]


def test_a_trajectory_on_disk_reads_as_one_in_memory(stored):
    (memory, _), (disk, _) = stored
    assert disk.shape == memory.shape
    assert len(disk) == len(memory)
    np.testing.assert_array_equal(disk[10:20], memory[10:20])
    np.testing.assert_array_equal(disk[7], memory[7])
    np.testing.assert_array_equal(part(part(disk, 100, 900), 50, 60)[:], memory[150:160])
    np.testing.assert_array_equal(np.concatenate(list(chunks(disk))), memory)
    with pytest.raises(IndexError):
        disk[3000]


def test_an_epoch_from_disk_holds_every_pair_once(stored):
    trajectories, disk = stored
    lag, seen = 5, []
    buffers = Buffers(disk, 800, lag)
    for frames, pieces in buffers.epoch(torch.Generator().manual_seed(0)):
        assert len(frames) <= 800
        rows = np.cumsum([0] + [b - a for _, a, b in pieces])
        for (i, a, b), row in zip(pieces, rows):
            np.testing.assert_array_equal(frames[row : row + b - a], trajectories[i][a:b])
            seen += [(i, t) for t in range(a, b - lag)]
    assert sorted(seen) == [(i, t) for i in range(2) for t in range(len(trajectories[i]) - lag)]


def test_moments_from_disk_are_those_in_memory(stored):
    trajectories, disk = stored
    for found, expected in zip(Buffers(disk, 800, 5).moments(), Buffers(trajectories, None, 5).moments()):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_network_trains_from_disk_as_well_as_from_memory(stored):
    trajectories, disk = stored
    settings = {"outputs": 2, "hidden": (16,), "epochs": 8, "batch": 250, "learning_rate": 5e-3}
    whole = fit(trajectories[:1], trajectories[1:], 5, 0, Settings(**settings))
    same = fit(disk[:1], disk[1:], 5, 0, Settings(**settings))
    assert np.array_equal(whole.history, same.history)
    streamed = fit(disk[:1], disk[1:], 5, 0, Settings(**settings, buffer=1200))
    assert streamed.score == pytest.approx(whole.score, rel=0.05)
    assert not streamed.failed


def test_cross_validation_reads_from_disk_in_other_processes(stored):
    trajectories, disk = stored
    settings = Settings(outputs=1, hidden=(4,), epochs=1, batch=250)
    a, b = (cross_validate(data, 5, [0], settings, jobs=2) for data in (trajectories, disk))
    assert [f.rewhitened for f in a] == [f.rewhitened for f in b]


def test_a_buffer_within_the_pairs_is_refused(stored):
    with pytest.raises(ValueError, match="a buffer of 80 frames holds 8 pieces of 10, expected pieces of at least 12"):
        Buffers(stored[1], 80, 6)

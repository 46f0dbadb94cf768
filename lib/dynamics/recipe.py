"""The tutorial of deeptime on alanine dipeptide: its network, trained by deeptime itself, on trajectories of ours.

Heavy-atom positions -> batch norm -> five layers of 20 with ELU -> softmax over six states; Adam, 5e-3, batches of
10,000 pairs, 30 epochs, a tenth of the pairs at random for validation, and no early stop, unlike lib.dynamics.vampnet.
"""

import itertools

import mdtraj
import numpy as np
import torch
from deeptime.decomposition.deep import VAMPNet
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from lib.dynamics.vamp import lagged_pairs
from lib.threads import single_thread


def heavy_positions(frames: mdtraj.Trajectory, reference: mdtraj.Trajectory) -> np.ndarray:
    """(frame, 3 atoms) float32 nm: heavy atoms, superposed on those of the reference's first frame.

    A frame's position and orientation say nothing of the molecule, and would only be noise to the network.
    """
    heavy = frames.topology.select("element != H")
    pos, to = (t.xyz[:, heavy].astype(np.float64) for t in (frames, reference[0]))
    pos, to = pos - pos.mean(1, keepdims=True), to - to.mean(1, keepdims=True)
    # Kabsch 1976 by singular values; mdtraj's superpose does not converge on some frames, and leaves those as they are
    left, _, right = np.linalg.svd(pos.transpose(0, 2, 1) @ to[0])
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    return (pos @ (left @ right)).reshape(len(pos), -1).astype(np.float32)


def softmax_lobe(features: int, states: int, width: int = 20, depth: int = 5) -> nn.Sequential:
    """Batch norm, `depth` layers of `width` with ELU, softmax over states: (frame, features) -> (frame, states)."""
    layers = [nn.BatchNorm1d(features)]
    for fan_in, fan_out in itertools.pairwise([features, *[width] * depth]):
        layers += [nn.Linear(fan_in, fan_out), nn.ELU()]
    return nn.Sequential(*layers, nn.Linear(width, states), nn.Softmax(dim=1))


def train_as_tutorial(
    trajectories: list[np.ndarray],
    lag: int,
    states: int,
    seed: int,
    epochs: int = 30,
    batch: int = 10000,
    learning_rate: float = 5e-3,
) -> tuple[nn.Module, float]:
    """The lobe that deeptime's VAMPNet trains on trajectories (frame, d) float32, and the score that deeptime reports.

    lag in frames. The reported score is that of the last epoch on a tenth of the pairs, drawn at random: VAMP-2 with
    +1, regularised, float32. Pairs of one trajectory lie on both sides, so it is a training score.
    """
    with single_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        frames = torch.from_numpy(np.concatenate(trajectories))
        first, second = map(torch.from_numpy, lagged_pairs([len(t) for t in trajectories], lag))
        aside, training = torch.randperm(len(first)).tensor_split([len(first) // 10])
        lobe = softmax_lobe(frames.shape[1], states)
        net = VAMPNet(lobe, learning_rate=learning_rate)
        # whole batches are looked up at once: pair by pair, the loader takes longer than the network
        pairs = TensorDataset(frames[first[training]], frames[second[training]])
        loader = DataLoader(pairs, batch_size=None, sampler=BatchSampler(RandomSampler(pairs), batch, drop_last=False))
        validation = [(frames[first[aside]], frames[second[aside]])]
        net.fit(loader, n_epochs=epochs, validation_loader=validation)
        return lobe.eval(), float(net.validation_scores[-1, 1])

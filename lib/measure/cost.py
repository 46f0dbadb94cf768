"""What a computation takes, counted and not timed: bytes of tensors and operations, the same on every run.

Times are another matter: benchmarks/ measures them, `recorded` reads what it has kept.
"""

import json
import weakref
from collections.abc import Callable

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from lib.paths import ROOT


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that are made in its block and still in use: now (`live`) and at most (`peak`).

    What existed before is not counted, and neither is what an operator sets aside for itself and gives back.
    """

    def __init__(self):
        super().__init__()
        self.live, self.peak, self.known = 0, 0, {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.meet((args, kwargs), counted=False)
        outputs = function(*args, **(kwargs or {}))
        self.meet(outputs, counted=True)
        self.peak = max(self.peak, self.live)
        return outputs

    def meet(self, values, counted: bool) -> None:
        """Note the memory behind tensors that have not been seen yet."""
        for tensor in tree_leaves(values):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in self.known:
                    self.known[storage._cdata] = size = storage.nbytes() if counted else 0
                    self.live += size
                    weakref.finalize(storage, self.forget, storage._cdata)

    def forget(self, address: int) -> None:
        """A tensor's memory was given back."""
        self.live -= self.known.pop(address, 0)


def peak_bytes(run: Callable[[], object]) -> int:
    """The largest number of bytes that tensors made in run() hold at one time, gradients included."""
    with LiveBytes() as counter:
        run()
    return counter.peak


def operations(run: Callable[[], object]) -> int:
    """Floating-point operations of the matrix products of run(), backwards as well; compiled loops do not count."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def globule(tokens: int, seed: int, spacing: float = 5.1) -> np.ndarray:
    """CA positions (token, 3) float32 Å with the density of a folded protein: a serpentine through a jittered lattice.

    The default spacing gives 7.5 residues in 1000 Å^3. It is no protein: what depends on density alone is realistic.
    """
    side = round(np.ceil(tokens ** (1 / 3)))
    x, y, z = np.unravel_index(np.arange(tokens), (side, side, side))
    y = np.where(x % 2, side - 1 - y, y)
    z = np.where((x * side + np.unravel_index(np.arange(tokens), (side, side, side))[1]) % 2, side - 1 - z, z)
    lattice = np.stack([x, y, z], axis=1)
    jitter = np.random.default_rng(seed).normal(0, 0.1, lattice.shape)
    return (spacing * (lattice + jitter)).astype(np.float32)


def recorded(name: str) -> dict:
    """What `python -m benchmarks` measured and `python -m benchmarks.record` kept: {"environment": ..., "rows": [...]}.

    Raises FileNotFoundError where nothing of that name was kept.
    """
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; `python -m benchmarks {name}` and `python -m benchmarks.record`")
    return json.loads(path.read_text())

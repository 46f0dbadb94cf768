"""The gradient of a batch from several threads, each of which takes whole molecules of it, as ranks do in processes.

Gradients are added in the order of the shares: the bits depend on how many there are, not on how many cores.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from lib.data.batches import share
from lib.data.loader import Batch


def cut(batch: Batch, count: int) -> list[Batch]:
    """At most `count` views of a batch, neighbours in it, of about equally many atoms; fewer where it has fewer
    molecules. `before`, `after` and `part` are those of the whole batch, over all ranks."""
    sizes = torch.bincount(batch.batch).cpu().numpy()
    shares, count = [], min(count, len(sizes))
    for each in (share(np.arange(len(sizes)), sizes, i, count) for i in range(count)):
        molecules = slice(int(each.picked[0]), int(each.picked[-1]) + 1)
        atoms = slice(each.before, len(batch.z) - each.after)
        shares.append(
            replace(
                batch,
                z=batch.z[atoms],
                pos=batch.pos[atoms],
                batch=batch.batch[atoms] - molecules.start,
                molecule={name: values[molecules] for name, values in batch.molecule.items()},
                atom={name: values[atoms] for name, values in batch.atom.items()},
                before=batch.before + each.before,
                after=batch.after + each.after,
                part=batch.part * each.part,
            )
        )
    return shares


class SideBySide:
    """`lib.train.loop.backward_of` by several threads."""

    def __init__(self, objective: nn.Module, threads: int):
        self.objective, self.threads = objective, threads
        self.weights = [p for p in objective.parameters() if p.requires_grad]
        self.pool = ThreadPoolExecutor(threads)

    def __call__(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Set the gradients of the weights to those of a batch and give its loss ()."""
        shares = cut(batch, self.threads)
        generators = [generator.clone_state() for _ in shares]  # every share draws the noise of the whole batch
        values, gradients = zip(*self.pool.map(self._one, shares, generators))
        generator.set_state(generators[0].get_state())
        for weight, found in zip(self.weights, zip(*gradients)):
            found = [g for g in found if g is not None]
            weight.grad = sum(found[1:], found[0]) if found else None
        return sum(values) / batch.part

    def _one(self, share: Batch, generator: torch.Generator) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        value = self.objective(share, generator) * share.part
        return value.detach(), torch.autograd.grad(value, self.weights, allow_unused=True)

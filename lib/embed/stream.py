"""Frames in, tokens out, block by block: the memory grows neither with the files nor with the tokens."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from torch import Tensor, nn
from tqdm import tqdm

from lib import distributed
from lib.data.frames import Frames
from lib.embed.file import TokenFile
from lib.embed.tokens import ATOMS_PER_BATCH, embed_block


BLOCK = 4_000_000  # bytes of positions or tokens between two writes


def stream(
    encoder: nn.Module,
    sources: list[Frames],
    residue: np.ndarray,
    path: Path,
    provenance: dict,
    fixed: dict | None = None,
    read: Callable[[Tensor], Tensor] = lambda tokens: tokens,
    dtype: np.dtype = np.float32,
    atoms_per_batch: int = ATOMS_PER_BATCH,
    progress: bool | None = None,
) -> None:
    """Embed every frame of the sources into the token file at `path`, and go on where a killed run stopped.

    residue: (atom,) number of the token that an atom belongs to. read: what is stored of the tokens
    (frame, token, 4, H). progress: None shows a bar in a terminal only. Ranks of torchrun take one block each in turn
    and rank 0 writes; a block begins where a batch does, so that no result depends on the number of ranks. Raises
    ValueError for frames that no molecule can have.
    """
    topology, selection = sources[0].topology, sources[0].selection
    z = np.array([topology.atom(i).element.number for i in selection])
    step = max(1, atoms_per_batch // len(z))
    embed = lambda pos: embed_block(encoder, z, pos, residue, read, step)  # noqa: E731
    # one frame of each: bad input is found, and the shape known, before a file is begun
    trials = [embed(frames.read(0, 1)) for frames in sources]
    first = trials[0]
    shapes = [(len(frames), *first.shape[1:]) for frames in sources]
    largest = max(first.numel() * first.element_size(), 12 * topology.n_atoms)
    most = max(1, BLOCK // largest // step)
    rank, ranks = distributed.rank(), distributed.ranks()
    opened = []

    def begin() -> list[int]:
        opened.append(TokenFile(path, shapes, dtype, provenance, fixed))
        stack.callback(opened[0].close)
        return [opened[0].done(i) for i in range(len(sources))]

    with ExitStack() as stack:
        done = distributed.from_first(begin)
        hidden = True if rank else None if progress is None else not progress
        total = sum(map(len, sources))
        with tqdm(total=total, initial=sum(done), desc=path.name, unit="frame", disable=hidden) as bar:
            for i, frames in enumerate(sources):
                block = step * min(most, -(-len(frames) // (step * ranks)))  # a short trajectory is shared as well
                for start in range(done[i], len(frames), ranks * block):
                    edges = [min(start + r * block, len(frames)) for r in range(ranks + 1)]
                    own = slice(*edges[rank : rank + 2])
                    found = embed(frames.read(own.start, own.stop)) if own.start < own.stop else first[:0]
                    for part in distributed.gathered(found, np.diff(edges).tolist()):
                        opened[0].append(i, part.numpy())
                    bar.update(edges[-1] - start)
        for file in opened:
            file.finish()

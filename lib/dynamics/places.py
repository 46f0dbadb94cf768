"""Where each token is: its CA, or the mean of its atoms, streamed to disk beside the tokens for mixers that ask."""

from pathlib import Path

import numpy as np

from lib.data.frames import Frames
from lib.embed.file import TokenFile


BLOCK = 4096  # frames read at once


def place_weights(frames: Frames, token: np.ndarray) -> np.ndarray:
    """(token, atom) float32: a token's CA alone, or all its atoms alike; rows sum to 1."""
    ca = np.array([frames.topology.atom(i).name == "CA" for i in frames.selection])
    weights = np.zeros((int(token.max()) + 1, len(token)), np.float32)
    for row in range(len(weights)):
        own = token == row
        chosen = own & ca if (own & ca).any() else own
        weights[row, chosen] = 1 / chosen.sum()
    return weights


def write_places(frames: list[Frames], token: np.ndarray, path: Path, provenance: dict) -> None:
    """Write (frame, token, 3) Å of every trajectory to `path`, unless it is there; resumes where it was killed."""
    if path.exists():
        return
    weights = place_weights(frames[0], token)
    file = TokenFile(path, [(len(f), len(weights), 3) for f in frames], np.float32, provenance)
    try:
        for i, each in enumerate(frames):
            for start in range(file.done(i), len(each), BLOCK):
                pos = each.read(start, min(start + BLOCK, len(each)))
                file.append(i, np.einsum("ta,fax->ftx", weights, pos))
    except BaseException:
        file.close()
        raise
    file.finish()

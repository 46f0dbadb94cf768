"""Is a DCD file whole? Readers take a cut file for a shorter trajectory."""

import struct
from pathlib import Path


def whole_frames(path: Path) -> int:
    """Number of frames in a DCD file (CHARMM's or X-PLOR's, 32-bit records).

    Raises ValueError for another kind of DCD file, for one that ends within a frame, and for one that holds fewer
    frames than its header announces. A header may announce none. The time in it is not looked at.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(92)
        order = next((o for o in "<>" if len(head) == 92 and struct.unpack(f"{o}i4s", head[:8]) == (84, b"CORD")), None)
        if order is None:
            raise ValueError(f"{path} is no DCD file, or it is cut within its header")
        control = struct.unpack(f"{order}20i", head[8:88])
        if control[8]:
            raise ValueError(f"{path} holds {control[8]} atoms in its first frame only, expected all atoms in each")
        _record(file, order, path)  # the title
        atoms = struct.unpack(f"{order}i", _record(file, order, path))[0]
        start = file.tell()
    charmm = control[19] != 0
    axes = 3 + (charmm and control[11] == 1)
    frame = axes * (4 * atoms + 8) + 56 * (charmm and control[10] == 1)  # 56: the unit cell, 6 doubles
    frames, rest = divmod(size - start, frame)
    if rest:
        raise ValueError(f"{path} ends within frame {frames}: it is cut, {size} bytes are left")
    if frames < control[0]:
        raise ValueError(f"{path} holds {frames} frames, its header announces {control[0]}: it is cut")
    return frames


def _record(file, order: str, path: Path) -> bytes:
    """One Fortran record."""
    marker = file.read(4)
    length = struct.unpack(f"{order}i", marker)[0] if len(marker) == 4 else -1
    content = file.read(length) if length >= 0 else b""
    if length < 0 or len(content) != length or file.read(4) != marker:
        raise ValueError(f"{path} is cut within its header")
    return content

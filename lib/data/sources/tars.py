"""Small files in a tar archive, by the hundred thousand: headers are walked here, faster than tarfile makes objects."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.data.sources.stream import LARGEST, opened, safe


BLOCK = 512


@dataclass
class Members:
    """Small files of an archive: the bytes of file k are data[starts[k]:stops[k]]."""

    names: list[str]
    data: bytes
    starts: np.ndarray
    stops: np.ndarray


def tar_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[Members]:
    """The files of a tar archive whose names are `wanted`, in its order, a few MB at a time.

    Raises ValueError for a truncated or damaged archive, a wanted member larger than LARGEST and a name that leads
    outside.
    """
    rest, ended, longer, source = b"", False, None, opened(path)
    while not ended:
        more = next(source, None)
        if more is None:
            raise ValueError(f"{path} is truncated: a tar archive ends with empty blocks")
        data, at = rest + more, 0
        names, starts, stops = [], [], []
        while at + BLOCK <= len(data):
            header = data[at : at + BLOCK]
            if ended := not header.strip(b"\0"):
                break
            size, kind, first = _size(header, path), header[156:157], at + BLOCK
            following = first + -(-size // BLOCK) * BLOCK
            if following > len(data):
                break
            if kind in (b"L", b"x"):
                longer = _long_name(data[first : first + size], kind) or longer
            elif kind in (b"0", b"\0"):
                name, longer = longer or _name(header), None
                if wanted(safe(name, path)):
                    if size > LARGEST:
                        raise ValueError(f"{path}: {name} has {size} bytes, more than a molecule's file")
                    names.append(name)
                    starts.append(first)
                    stops.append(first + size)
            at = following
        if names:
            yield Members(names, data, np.array(starts, np.int64), np.array(stops, np.int64))
        rest = data[at:]
    for _ in source:  # to its end, where a compressed file keeps its checksum
        pass


def _size(header: bytes, path: Path) -> int:
    """Bytes of a member, after the header's own checksum is found right."""
    try:
        right = int(header[148:156].strip(b" \0"), 8) == sum(header) - sum(header[148:156]) + 8 * 32
        if right:
            return int(header[124:136].strip(b" \0") or b"0", 8)
    except ValueError:
        pass
    raise ValueError(f"{path} is damaged: a tar header does not have the checksum that it says")


def _name(header: bytes) -> str:
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    name = header[:100].split(b"\0")[0]
    return (prefix + b"/" + name if prefix else name).decode(errors="replace")


def _long_name(data: bytes, kind: bytes) -> str | None:
    """The name that a GNU or pax entry gives to the member after it."""
    if kind == b"L":
        return data.split(b"\0")[0].decode(errors="replace")
    while data:  # "27 path=some/name\n" and the like
        length, _, text = data.partition(b" ")
        count = int(length)
        if text.startswith(b"path="):
            return data[len(length) + 6 : count - 1].decode(errors="replace")
        data = data[count:]
    return None

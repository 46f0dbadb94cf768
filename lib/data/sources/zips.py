"""Small files in a zip archive, by the million: its directory as arrays, 140 bytes a file with its name."""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np

from lib.data.sources.stream import LARGEST, safe


ENTRY, LOCAL, SAME = 46, 30, 0xFFFFFFFF  # bytes of the fixed parts of headers; "see the 64-bit field"
STORED, DEFLATED = 0, 8


@dataclass
class Directory:
    """What the end of an archive says about `n` files.

    at: (n,) int64 where the local header lies. packed, size: (n,) int64 bytes. crc: (n,) uint32. method: (n,) uint8.
    name: (n, 2) int64, bounds of the name in `text`.
    """

    path: Path
    text: bytes
    at: np.ndarray
    packed: np.ndarray
    size: np.ndarray
    crc: np.ndarray
    method: np.ndarray
    name: np.ndarray

    def __len__(self) -> int:
        return len(self.at)

    def names(self, rows: np.ndarray) -> list[str]:
        """Names of some of the files."""
        return [self.text[a:b].decode(errors="replace") for a, b in self.name[rows]]

    def take(self, rows: np.ndarray) -> "Directory":
        """Some of the files, with their names alone: small enough to send to another process."""
        parts = [self.text[a:b] for a, b in self.name[rows]]
        ends = np.cumsum([len(p) for p in parts], dtype=np.int64)
        name = np.stack([np.concatenate([[0], ends[:-1]]), ends], 1) if len(parts) else np.empty((0, 2), np.int64)
        fields = (getattr(self, f)[rows] for f in ("at", "packed", "size", "crc", "method"))
        return Directory(self.path, b"".join(parts), *fields, name)


def directory(path: Path) -> Directory:
    """The directory of a zip archive, 64-bit ones included; ValueError for a damaged archive."""
    with Path(path).open("rb") as file:
        total = os.fstat(file.fileno()).st_size
        start = max(0, total - 66_000)
        file.seek(start)
        tail = file.read()
        end = tail.rfind(b"PK\5\6")
        if end < 0 or len(tail) - end < 22:
            raise ValueError(f"{path} is truncated or no zip archive: it has no directory")
        count, length, first = struct.unpack_from("<HII", tail, end + 10)
        place = tail.rfind(b"PK\6\7", 0, end)
        if place >= 0 and (SAME in (length, first) or count == 0xFFFF):
            file.seek(struct.unpack_from("<Q", tail, place + 8)[0])
            count, length, first = struct.unpack_from("<QQQ", file.read(56), 32)
        file.seek(min(first, total))
        text = file.read(min(length, total))
    count = min(count, len(text) // ENTRY + 1)  # more there cannot be
    wide, crc, method, name = (
        np.empty((count, 3), np.int64),
        np.empty(count, np.uint32),
        np.empty(count, np.uint8),
        np.empty((count, 2), np.int64),
    )
    if len(text) < length or not _entries(np.frombuffer(text, np.uint8), wide, crc, method, name):
        raise ValueError(f"{path} is damaged: its directory does not hold the {count} entries that it says")
    return Directory(Path(path), text, wide[:, 0], wide[:, 1], wide[:, 2], crc, method, name)


@numba.njit(cache=True, nogil=True)
def _little(text, at, count):
    value = 0
    for k in range(count):
        value |= int(text[at + k]) << (8 * k)
    return value


@numba.njit(cache=True, nogil=True)
def _entries(text, wide, crc, method, name):
    """Fill the arrays from the central directory; False where it is not one."""
    i = 0
    for k in range(len(crc)):
        if i + ENTRY > len(text) or _little(text, i, 4) != 0x02014B50:
            return False
        method[k], crc[k] = _little(text, i + 10, 2), _little(text, i + 16, 4)
        packed, size, at = _little(text, i + 20, 4), _little(text, i + 24, 4), _little(text, i + 42, 4)
        names, extra, comment = _little(text, i + 28, 2), _little(text, i + 30, 2), _little(text, i + 32, 2)
        first = i + ENTRY + names
        i = first + extra + comment
        if i > len(text):
            return False
        name[k, 0], name[k, 1] = first - names, first
        while first + 4 <= i - comment:  # the 64-bit field holds those values, in this order, that did not fit
            length, j = _little(text, first + 2, 2), first + 4
            wanted = 8 * ((size == SAME) + (packed == SAME) + (at == SAME))
            if _little(text, first, 2) == 1:
                if length < wanted or j + length > i - comment:
                    return False
                if size == SAME:
                    size = _little(text, j, 8)
                    j += 8
                if packed == SAME:
                    packed = _little(text, j, 8)
                    j += 8
                if at == SAME:
                    at = _little(text, j, 8)
            first += 4 + length
        wide[k, 0], wide[k, 1], wide[k, 2] = at, packed, size
    return True


@numba.njit(cache=True, nogil=True)
def _numbers(text, name, suffix, found):
    for k in range(len(name)):
        found[k], end = -1, name[k, 1] - len(suffix)
        same = end >= name[k, 0]
        for i in range(len(suffix)):
            same = same and text[end + i] == suffix[i]
        if not same:
            continue
        value, power, i = 0, 1, end - 1
        while i >= name[k, 0] and 48 <= text[i] <= 57 and end - i < 18:
            value += power * (int(text[i]) - 48)
            power *= 10
            i -= 1
        found[k] = value if i < end - 1 and (i < name[k, 0] or text[i] == 47) else -2


def numbers(files: Directory, suffix: str) -> np.ndarray:
    """(n,) int64: 17 for a file named folder/17.xyz, -1 for one without the suffix; ValueError for folder/a.xyz."""
    found = np.empty(len(files), np.int64)
    _numbers(np.frombuffer(files.text, np.uint8), files.name, np.frombuffer(suffix.encode(), np.uint8), found)
    if (wrong := np.flatnonzero(found == -2)).size:
        raise ValueError(f"{files.path} holds {files.names(wrong[:1])[0]!r}, expected files named by numbers")
    return found


def numbered(path: Path, suffix: str, at_once: int = 2048) -> Iterator[Directory]:
    """The files of an archive in the order of their numbers, `at_once` at a time; ValueError for a number twice."""
    whole = directory(path)
    found = numbers(whole, suffix)
    rows = np.argsort(found, kind="stable")[np.count_nonzero(found < 0) :]
    if (twice := np.flatnonzero(np.diff(found[rows]) == 0)).size:
        raise ValueError(f"{path} holds two files with the number {found[rows[twice[0]]]}")
    for start in range(0, len(rows), at_once):
        yield whole.take(rows[start : start + at_once])


def read(files: Directory) -> tuple[list[bytes | None], list[str]]:
    """The bytes of every file, None for one that is damaged, and their names.

    Raises ValueError for a name that leads outside the archive's folder and for a file larger than LARGEST.
    """
    names = files.names(np.arange(len(files)))
    for name, size in zip(names, files.size):
        if size > LARGEST:
            raise ValueError(f"{files.path}: {safe(name, files.path)} has {size} bytes, more than a molecule's file")
        safe(name, files.path)
    fields = (v.tolist() for v in (files.at, files.packed, files.size, files.crc, files.method))
    with files.path.open("rb", buffering=0) as file:
        return [_content(file.fileno(), *entry) for entry in zip(*fields)], names


def _content(handle: int, at: int, packed: int, size: int, crc: int, method: int) -> bytes | None:
    data = os.pread(handle, LOCAL + 512 + packed, at)  # names and extra fields before the data are seldom longer
    if len(data) < LOCAL or data[:4] != b"PK\3\4":
        return None
    first = LOCAL + sum(struct.unpack_from("<HH", data, 26))
    if first + packed > len(data):
        data = os.pread(handle, first + packed, at)
    data = data[first : first + packed]
    if method == DEFLATED:
        try:
            data = zlib.decompressobj(-15).decompress(data, LARGEST)
        except zlib.error:
            return None
    elif method != STORED:
        return None
    return data if len(data) == size and zlib.crc32(data) == crc else None

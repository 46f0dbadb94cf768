"""SD files (V2000), many molecules at once in compiled loops; only elements and coordinates are kept."""

from collections.abc import Iterable, Iterator

import numba
import numpy as np

from lib.data.sources import text
from lib.data.sources.records import Records, failures
from lib.data.sources.stream import LARGEST
from lib.data.sources.text import element, integer, line_end, number, too_close


END = b"\n$$$$"
SHORTEST = 33  # bytes of the shortest atom line: three numbers in ten columns, a blank, a symbol, the newline


@numba.njit(cache=True, nogil=True)
def _separator(data, start, stop):
    if start + 4 > stop:
        return False
    return data[start] == 36 and data[start + 1] == 36 and data[start + 2] == 36 and data[start + 3] == 36


@numba.njit(cache=True, nogil=True)
def _molecule(data, start, stop, z, pos, at):
    """(status, atoms) of the record in data[start:stop]; its atoms go to z[at:], pos[at:]."""
    line = start
    for _ in range(3):
        line = line_end(data, line, stop) + 1
    if line >= stop:
        return text.TRUNCATED, 0
    end = line_end(data, line, stop)
    count, after = integer(data, line, min(line + 3, end))
    bonds, final = integer(data, line + 3, min(line + 6, end))
    if after == line or final == line + 3:
        return text.NO_COUNT, 0
    if end - line >= 39 and data[line + 34] == 86 and data[line + 35] != 50:  # "V" and no "2"
        return text.NOT_V2000, 0
    if count == 0:
        return text.EMPTY, 0
    line = end + 1
    for k in range(count):
        end = line_end(data, line, stop)
        if end >= stop or at + k >= len(z):
            return text.TRUNCATED, 0
        if end - line < SHORTEST - 1 or (data[line] == 77 and data[line + 1] == 32):  # or "M  END" before the last atom
            return text.TRUNCATED, 0
        for axis in range(3):
            first, last = line + 10 * axis, min(line + 10 * axis + 10, end)
            value, after = number(data, first, last)
            if after == first or not np.isfinite(value) or text.skip_space(data, after, last) < last:
                return text.COORDINATE, 0
            pos[at + k, axis] = value
        z[at + k], after = element(data, line + 30, min(line + 34, end))
        if z[at + k] == 0:
            return text.ELEMENT, 0
        line = end + 1
    for _ in range(bonds):
        line = line_end(data, line, stop) + 1
    while line + 6 <= stop:  # properties, until "M  END"
        if data[line] == 77 and data[line + 3] == 69 and data[line + 4] == 78 and data[line + 5] == 68:
            return (text.CLOSE if too_close(pos, at, at + count) else text.OK), count
        line = line_end(data, line, stop) + 1
    return text.TRUNCATED, 0


@numba.njit(cache=True, nogil=True)
def _records(data, z, pos, sizes, starts, status):
    """Fill z, pos (atoms of good records), sizes, starts, status (all records); gives the numbers of both."""
    start, stop, at, count = 0, len(data), 0, 0
    while start < stop:
        line = start  # the record ends before the line "$$$$"
        while line < stop and not _separator(data, line, stop):
            line = line_end(data, line, stop) + 1
        end = min(line, stop)
        if line >= stop:  # blank lines after the last record are none
            blank = True
            for i in range(start, stop):
                blank = blank and data[i] <= 32
            if blank:
                break
        status[count], atoms = _molecule(data, start, end, z, pos, at)
        sizes[count] = atoms if status[count] == text.OK else 0
        starts[count] = start
        at += sizes[count]
        count += 1
        start = line_end(data, line, stop) + 1
    return count, at


def parse(data: bytes) -> Records:
    """The molecules of a piece of an SD file that ends with a whole record; `position` counts its records.

    A record that cannot be read is a failure with its title and reason: truncated, V3000, an unknown element, a
    coordinate that is no number, atoms on top of each other.
    """
    array = np.frombuffer(data, np.uint8)
    most = data.count(END) + 2
    z, pos = np.empty(len(data) // SHORTEST + 1, np.uint8), np.empty((len(data) // SHORTEST + 1, 3))
    sizes, starts, status = (np.empty(most, np.int64) for _ in range(3))
    count, atoms = _records(array, z, pos, sizes, starts, status)
    status = status[:count]
    title = lambda k: data[starts[k] : starts[k] + 80].split(b"\n")[0].decode(errors="replace").strip()  # noqa: E731
    good = np.flatnonzero(status == text.OK)
    return Records(z[:atoms], pos[:atoms].astype(np.float32), sizes[good], good, count, failed=failures(status, title))


def cut(data: bytes) -> int:
    """Bytes of `data` that hold whole records; the rest belongs to the next piece."""
    last = data.rfind(END)
    if last < 0:
        return 0
    end = data.find(b"\n", last + len(END))
    return end + 1 if end >= 0 else 0


def pieces(stream: Iterable[bytes]) -> Iterator[bytes]:
    """An SD file, cut after whole records; what is left at its end is a truncated record, and a piece too."""
    rest = b""
    for more in stream:
        data = rest + more
        end = cut(data)
        if end:
            yield data[:end]
        rest = data[end:]
        if len(rest) > LARGEST:
            raise ValueError(f"no record ends within {LARGEST} bytes, expected an SD file")
    if rest.strip():
        yield rest


def blocks(data: bytes) -> list[bytes]:
    """The records of a piece as they are written, without their last line."""
    return [block.removeprefix(b"\n") for block in (b"\n" + data).replace(b"\r\n", b"\n").split(END)]

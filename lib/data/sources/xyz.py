"""xyz and extended xyz, many frames at once in compiled loops; comment lines and extra columns on request."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numba
import numpy as np

from lib.data.sources import text, zips
from lib.data.sources.records import Records, failures
from lib.data.sources.stream import LARGEST
from lib.data.sources.text import element, integer, line_end, number, skip_space, too_close


SHORTEST = 8  # bytes of the shortest atom line, "C 0 0 0\n"
PROPERTIES = re.compile(rb'Properties="?([^"\s]+)')
PAIR = re.compile(rb'([\w-]+)=("[^"]*"|\S+)')


@numba.njit(cache=True, nogil=True)
def _count(data, start, stop):
    """The number of atoms if the line at `start` holds one number and nothing else, or -1."""
    end = line_end(data, start, stop)
    value, after = integer(data, start, end)
    return value if after > start and skip_space(data, after, end) == end else -1


@numba.njit(cache=True, nogil=True)
def _frame(data, start, stop, symbol, place, extra, z, pos, more, at):
    """(status, atoms, comment start, end) of the frame at `start`; fields of a line are blank-separated words.

    symbol, place: word numbers of the element and of x. extra: (k,) word numbers that go to more[atom].
    """
    count = _count(data, start, stop)
    first = line_end(data, start, stop) + 1
    if count < 0:
        return text.NO_COUNT, 0, first, first
    line = line_end(data, first, stop) + 1
    if count == 0:
        return text.EMPTY, 0, first, line
    words = max(symbol, place + 2)
    for k in range(len(extra)):
        words = max(words, extra[k])
    for k in range(count):
        if line >= stop or at + k >= len(z):
            return text.TRUNCATED, 0, first, line
        end = line_end(data, line, stop)
        i, found = line, 0
        for word in range(words + 1):
            i = skip_space(data, i, end)
            if i == end:
                break
            if word == symbol:
                z[at + k], i = element(data, i, end)
                if z[at + k] == 0:
                    return text.ELEMENT, 0, first, line
            else:
                value, after = 0.0, i
                column = -1
                for m in range(len(extra)):
                    if extra[m] == word:
                        column = m
                if place <= word < place + 3 or column >= 0:
                    value, after = number(data, i, end)
                    if after == i or not np.isfinite(value) or (after < end and data[after] > 32):
                        return text.COORDINATE, 0, first, line
                if place <= word < place + 3:
                    pos[at + k, word - place] = value
                if column >= 0:
                    more[at + k, column] = value
                i = after
            while i < end and data[i] > 32:
                i += 1
            found += 1
        if found <= words:
            return text.TRUNCATED, 0, first, line
        line = end + 1
    return (text.CLOSE if too_close(pos, at, at + count) else text.OK), count, first, line


@numba.njit(cache=True, nogil=True)
def _frames(data, starts, stops, symbol, place, extra, strict, z, pos, more, sizes, comments, status):
    """One frame in each data[start:stop]; blank lines may follow it. strict: its last line must end with a newline."""
    at = 0
    for f in range(len(starts)):
        status[f], count, comments[f], end = _frame(data, starts[f], stops[f], symbol, place, extra, z, pos, more, at)
        if strict and status[f] == text.OK and data[stops[f] - 1] != text.NEWLINE:
            status[f] = text.TRUNCATED  # its last number may be, too
        for i in range(end, stops[f]):
            if status[f] == text.OK and data[i] > 32:
                status[f] = text.EXTRA
        sizes[f] = count if status[f] == text.OK else 0
        at += sizes[f]
    return at


@numba.njit(cache=True, nogil=True)
def _walk(data, starts, stops, whole):
    """Bounds of the frames of a file of many; of those that certainly end in it unless `whole`.

    A frame starts at a line with one number, which says how many lines follow the comment. Where no such line is found,
    a frame was damaged: what lies before the next such line is a frame that will not parse.
    """
    i, count = 0, 0
    while i < len(data):
        if skip_space(data, i, len(data)) == line_end(data, i, len(data)):  # blank
            i = line_end(data, i, len(data)) + 1
            continue
        n = _count(data, i, len(data))
        line = line_end(data, i, len(data)) + 1
        lines = n + 1 if n >= 0 else 0
        for k in range(lines):
            if line >= len(data) or (k > 0 and _count(data, line, len(data)) >= 0):
                break  # a new frame begins too early
            line = line_end(data, line, len(data)) + 1
        while n < 0 and line < len(data) and _count(data, line, len(data)) < 0:
            line = line_end(data, line, len(data)) + 1
        if line >= len(data) and not whole:
            break
        starts[count], stops[count] = i, min(line, len(data))
        i = line
        count += 1
    return count, min(i, len(data))


def spans(data: bytes, whole: bool = True) -> tuple[np.ndarray, np.ndarray, int]:
    """(starts, stops, used) of the frames in a file of many; the last one is left for the next piece unless `whole`."""
    most = len(data) // 4 + 1
    starts, stops = np.empty(most, np.int64), np.empty(most, np.int64)
    count, used = _walk(np.frombuffer(data, np.uint8), starts, stops, whole)
    return starts[:count], stops[:count], used


@dataclass(frozen=True)
class Layout:
    """Where the words of an atom line are: `symbol`, x at `place`, and extra columns {name: (first word, width)}.

    header: what `Properties=` says, equal in every frame of a file; None for plain xyz, whose comment may say anything.
    """

    header: bytes | None = None
    symbol: int = 0
    place: int = 1
    extra: tuple[tuple[str, int, int], ...] = ()


def layout(comment: bytes, wanted: tuple[str, ...]) -> Layout:
    """The layout of an extended xyz file, from the comment line of its first frame; `wanted` columns are read too.

    Raises ValueError for a line without species and positions, or without a wanted column.
    """
    found = PROPERTIES.search(comment)
    if not found:
        raise ValueError(f"no Properties= in the comment line {comment[:60]!r}, expected extended xyz")
    fields, word, places = found[1].decode().split(":"), 0, {}
    for name, width in zip(fields[::3], fields[2::3]):
        places[name] = (word, int(width))
        word += int(width)
    if missing := {"species", "pos", *wanted} - set(places):
        raise ValueError(f"Properties={found[1].decode()} has no {', '.join(sorted(missing))}")
    extra = tuple((name, *places[name]) for name in wanted)
    return Layout(found[1], places["species"][0], places["pos"][0], extra)


def values(comment: bytes) -> dict[str, str]:
    """The key=value pairs of a comment line."""
    return {key.decode(): value.decode().strip('"') for key, value in PAIR.findall(comment)}


def parse(
    data: bytes, starts: np.ndarray, stops: np.ndarray, name: Callable[[int], str], by: Layout = Layout()
) -> tuple[Records, list[bytes]]:
    """One frame in each data[start:stop], and the comment line of each frame that was read.

    name: name(k) of frame k for the report. A frame of a file of many must end with a newline, or it is truncated; the
    end of a plain file is known to its archive. Columns of `by.extra` are in `atom` under their own names. A frame that
    cannot be read, or whose header is not that of `by`, is a failure.
    """
    words = np.array([w for _, first, width in by.extra for w in range(first, first + width)], np.int64)
    most = int((stops - starts).sum()) // SHORTEST + 1
    z, pos, more = np.empty(most, np.uint8), np.empty((most, 3)), np.empty((most, len(words)))
    sizes, comments, status = (np.empty(len(starts), np.int64) for _ in range(3))
    array = np.frombuffer(data, np.uint8)
    place = (by.symbol, by.place, words, by.header is not None)
    atoms = _frames(array, starts, stops, *place, z, pos, more, sizes, comments, status)
    good, atom, at = np.flatnonzero(status == text.OK), {}, 0
    lines = [data[comments[k] : data.find(b"\n", comments[k])].rstrip() for k in good]
    for label, _, width in by.extra:
        atom[label] = more[:atoms, at : at + width]
        at += width
    records = Records(
        z[:atoms],
        pos[:atoms].astype(np.float32),
        sizes[good],
        good,
        len(starts),
        failed=failures(status, name),
        atom=atom,
    )
    if by.header is None:
        return records, lines
    other = np.array([not (h := PROPERTIES.search(line)) or h[1] != by.header for line in lines], bool)
    lines = [line for line, bad in zip(lines, other) if not bad]
    return records.refuse(other, "other columns than the first frame", lambda row: name(int(good[row]))), lines


def pieces(stream: Iterable[bytes]) -> Iterator[tuple[bytes, np.ndarray, np.ndarray]]:
    """A file of many frames, cut after whole ones: (bytes, starts, stops)."""
    rest = b""
    for more in stream:
        data = rest + more
        starts, stops, used = spans(data, whole=False)
        if len(starts):
            yield data[:used], starts, stops
        rest = data[used:]
        if len(rest) > LARGEST:
            raise ValueError(f"no frame ends within {LARGEST} bytes, expected an xyz file")
    starts, stops, _ = spans(rest)
    if len(starts):
        yield rest, starts, stops


def parse_files(contents: list[bytes | None], names: list[str]) -> tuple[Records, list[bytes]]:
    """One plain xyz file each; None is a file that is damaged in its archive."""
    data = b"".join(each or b"" for each in contents)
    stops = np.cumsum([len(each or b"") for each in contents], dtype=np.int64)
    records, comments = parse(data, np.concatenate([[0], stops[:-1]]).astype(np.int64), stops, names.__getitem__)
    failed = [(k, n, "damaged in the archive" if contents[k] is None else why) for k, n, why in records.failed]
    return replace(records, failed=failed), comments


def parse_zip(files: zips.Directory) -> Records:
    """Plain xyz files of a zip archive, named by their numbers, which become their ids."""
    contents, names = zips.read(files)
    records, _ = parse_files(contents, names)
    return replace(records, id=zips.numbers(files, ".xyz")[records.position])

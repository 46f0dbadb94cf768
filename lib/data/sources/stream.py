"""Large members of archives as streams of bytes: nothing is extracted, and memory does not grow with them."""

import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


PIECE = 1 << 22  # bytes read at once
LARGEST = 1 << 24  # bytes of one molecule's file; more is no molecule


def safe(name: str, archive: Path) -> str:
    """The name of a member; ValueError where it points outside the folder that it would be extracted to."""
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
        raise ValueError(f"{archive} holds a member named {name!r}, outside its own folder: not a trustworthy archive")
    return name


def opened(path: Path) -> Iterator[bytes]:
    """Pieces of a file, unpacked if its name ends in gz; ValueError for a damaged or truncated one."""
    with Path(path).open("rb") as file:
        if Path(path).suffix not in (".gz", ".tgz"):
            while piece := file.read(PIECE):
                yield piece
            return
        unpack, fresh = zlib.decompressobj(31), True
        piece = file.read(PIECE)
        try:
            while piece:
                found = unpack.decompress(piece, PIECE)
                fresh = False
                if found:
                    yield found
                piece = unpack.unconsumed_tail
                if unpack.eof:  # gzip files may follow each other
                    piece = unpack.unused_data.lstrip(b"\0")
                    unpack, fresh = zlib.decompressobj(31), True
                piece = piece or file.read(PIECE)
        except zlib.error as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        if not fresh:
            raise ValueError(f"{path} is truncated: its compressed data ends too early")


class Pieces(io.RawIOBase):
    """An iterator of bytes as a file."""

    def __init__(self, pieces: Iterator[bytes]):
        self.pieces, self.rest = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, into) -> int:
        if not self.rest:
            self.rest = memoryview(next(self.pieces, b""))
        count = min(len(into), len(self.rest))
        into[:count], self.rest = self.rest[:count], self.rest[count:]
        return count


def member(path: Path, name: str) -> Iterator[bytes]:
    """Pieces of the one member of a tar or zip archive whose file name is `name`; the path itself if it is no archive.

    Raises ValueError for an archive that is damaged, or has no such member.
    """
    path = Path(path)
    if path.suffix == ".zip":
        try:
            with zipfile.ZipFile(path) as archive:
                full = next((n for n in archive.namelist() if PurePosixPath(safe(n, path)).name == name), None)
                if full is not None:
                    with archive.open(full) as file:
                        while piece := file.read(PIECE):
                            yield piece
                    return
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        raise ValueError(f"{path} holds no file named {name}")
    if ".tar" not in path.suffixes and path.suffix != ".tgz":
        yield from opened(path)
        return
    try:
        with tarfile.open(fileobj=io.BufferedReader(Pieces(opened(path)), PIECE), mode="r|", bufsize=PIECE) as archive:
            for entry in archive:
                if entry.isfile() and PurePosixPath(safe(entry.name, path)).name == name:
                    file = archive.extractfile(entry)
                    while piece := file.read(PIECE):
                        yield piece
                    if file.tell() < entry.size:
                        raise ValueError(f"{path} is truncated within {entry.name}")
                    return
    except tarfile.TarError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    raise ValueError(f"{path} holds no file named {name}")

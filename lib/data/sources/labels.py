"""Tables of labels that belong to geometries, read in pieces."""

import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from lib.data.sources.stream import Pieces, member


ROWS = 200_000  # read at once


def table(path: Path, name: str, columns: list[str]) -> Iterator[pd.DataFrame]:
    """The columns of a csv file, ROWS at a time; `name` is its name in the zip or tar archive `path`, gz or not.

    Raises ValueError for a damaged archive, a missing file and a missing column.
    """
    source = Pieces(member(path, name))
    text = gzip.GzipFile(fileobj=_buffered(source)) if name.endswith(".gz") else _buffered(source)
    try:
        head = text.readline().decode().strip().split(",")
        if missing := [c for c in columns if c not in head]:
            raise ValueError(f"{path}: {name} has no column {', '.join(missing)}; it has {', '.join(head)}")
        yield from pd.read_csv(text, names=head, usecols=columns, chunksize=ROWS)
    except (EOFError, OSError, zipfile.BadZipFile, pd.errors.ParserError) as error:
        raise ValueError(f"{path}: {name} is damaged: {error}") from error


def _buffered(source: Pieces) -> io.BufferedReader:
    return io.BufferedReader(source, 1 << 20)


class Rows:
    """Rows of a long table, asked for in rising order and read once: never more than two pieces of it in memory."""

    def __init__(self, path: Path, name: str, columns: list[str]):
        self.path, self.name = path, name
        self.pieces, self.first, self.here = table(path, name, columns), 0, pd.DataFrame(columns=columns)

    def take(self, rows: np.ndarray) -> pd.DataFrame:
        """The given rows (n,) int64, ascending, none before the last one asked for; ValueError beyond the end."""
        if not len(rows):
            return self.here.iloc[:0]
        found = []
        while True:
            own = rows[(rows >= self.first) & (rows < self.first + len(self.here))]
            found.append(self.here.iloc[own - self.first])
            if rows[-1] < self.first + len(self.here):
                break
            self.first += len(self.here)
            self.here = next(self.pieces, None)
            if self.here is None:
                raise ValueError(f"{self.path}: {self.name} ends after {self.first} rows, expected row {rows[-1]}")
        return pd.concat(part for part in found if len(part))

"""What is known of a public set before it is fetched, and the road from there to its packed files."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lib.data.sources.card import write_card
from lib.data.sources.fetch import fetch
from lib.data.sources.pack import Report


@dataclass(frozen=True)
class File:
    """One file of a set: the name that it gets here, where it is, and what is known of it in advance.

    size: bytes. sha256, md5: hexadecimal. Where none is known, the sha256 of the first fetch is noted beside the file,
    and holds from then on.
    """

    name: str
    url: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True)
class Source:
    """A public set.

    what: one line. records: conformers that it packs at the most, None if not known. about: the same for the reader.
    download, disk: GB, None if not known; disk for files and packed set together. licence: as its host states it.
    make(files folder, target folder, limit, workers) packs it and gives a report for every packed file's folder.
    settings: what was decided here (splits, seeds, units), for the card.
    """

    name: str
    what: str
    files: tuple[File, ...]
    records: int | None
    about: str
    download: str
    disk: str
    licence: str
    citation: str
    settings: dict
    make: Callable[[Path, Path, int | None, int | None], dict[Path, Report]]


def build(source: Source, folder: Path, limit: int | None = None, workers: int | None = None) -> dict[Path, Report]:
    """Fetch and pack a set: files to folder/raw/<name>, molecules.h5 and card.json to folder/<name> or below it.

    Files that are there are used again, after their checksum is found right.
    """
    raw, target = Path(folder) / "raw" / source.name, Path(folder) / source.name
    for file in source.files:
        fetch(file.url, raw / file.name, file.size, file.sha256, file.md5)
    reports = source.make(raw, target, limit, workers)
    for place, report in reports.items():
        write_card(place, source, raw, report, limit)
    return reports


def free_gb(folder: Path) -> float:
    """GB left on the disk that holds, or will hold, a folder."""
    folder = Path(folder).absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free / 1e9

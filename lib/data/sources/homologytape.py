"""HomologyTAPE (fold classification on SCOP 1.75; Hou 2018, Rao 2019, Hermosilla 2021): fetch, read, pack once.

`python -m lib.data.sources.homologytape hdf5` packs one distribution to data-public/homologytape/domains.h5.
"""

import argparse
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lib.data.domains import SPLITS, DomainSet, join, save
from lib.data.sources.fetch import fetch
from lib.data.sources.lists import Lists, read_lists
from lib.data.sources.structures import Structure, read_calpha, read_fasta, read_ieconv, read_pdb
from lib.paths import ROOT


LISTS = (
    "https://raw.githubusercontent.com/phermosilla/IEConv_proteins/cc067a2f878f2c3918deae465371a7b708f3647c/"
    "Datasets/data/HomologyTAPE/"
)


@dataclass(frozen=True)
class Distribution:
    """One form in which the structures are published. finds(folder) gives a reader for each domain that is there."""

    what: str
    url: str
    archive: str
    md5: str | None
    finds: Callable[[Path], dict[str, Callable[[], Structure]]]


def hdf5_files(folder: Path) -> dict[str, Callable[[], Structure]]:
    """Readers of <split>/<domain>.hdf5."""
    return {path.stem: lambda path=path: read_ieconv(path) for path in sorted(folder.rglob("*.hdf5"))}


def pdb_files(folder: Path) -> dict[str, Callable[[], Structure]]:
    """Readers of <domain>.ent or <domain>.pdb, at any depth."""
    paths = sorted([*folder.rglob("*.ent"), *folder.rglob("*.pdb")])
    return {path.stem: lambda path=path: read_pdb(path) for path in paths}


def calpha_files(folder: Path) -> dict[str, Callable[[], Structure]]:
    """Readers of coordinates/<split>/<domain>.npy with the sequences of <split>.fasta."""
    found = {}
    for fasta in sorted(folder.rglob("*.fasta")):
        places = {path.stem: path for path in (fasta.parent / "coordinates" / fasta.stem).glob("*.npy")}
        for name, letters in read_fasta(fasta).items():
            if name in places:
                found[name] = lambda path=places[name], letters=letters: read_calpha(path, letters)
    return found


DISTRIBUTIONS = {
    "hdf5": Distribution(
        "IEConv's HDF5 files, heavy atoms, as GearNet republished them",
        "https://zenodo.org/records/7593591/files/fold3d.zip?download=1",
        "fold3d.zip",
        "7b052a94afa4c66f9bebeb9efd769186",
        hdf5_files,
    ),
    "pdb": Distribution(
        "SCOPe 1.75 domains as PDB files, all atoms of the entries, as ProteinWorkshop uses them",
        "https://scop.berkeley.edu/downloads/pdbstyle/pdbstyle-sel-gs-bib-95-1.75.tgz",
        "pdbstyle-sel-gs-bib-95-1.75.tgz",
        None,
        pdb_files,
    ),
    "calpha": Distribution(
        "CDConv's C-alpha positions and sequences",
        "https://drive.usercontent.google.com/download?id=1vEdezR5L44swsw09WFnaA5zFuA1ZEXHI&export=download&confirm=t",
        "fold.zip",
        None,
        calpha_files,
    ),
}


def download(kind: str, raw: Path) -> tuple[Path, Path]:
    """Fetch lists and structures and unpack these; gives the folder of each. What is there is used again."""
    if kind not in DISTRIBUTIONS:
        raise ValueError(f"distribution {kind!r} is not one of {', '.join(DISTRIBUTIONS)}")
    given = DISTRIBUTIONS[kind]
    for name in ("class_map", *SPLITS):
        fetch(f"{LISTS}{name}.txt", raw / "lists" / f"{name}.txt")
    archive = fetch(given.url, raw / given.archive, md5=given.md5)
    folder = raw / kind
    if not folder.exists():
        partial = raw / f"{kind}.tmp"
        shutil.rmtree(partial, ignore_errors=True)
        safely = {"filter": "data"} if archive.suffix != ".zip" else {}  # of zip files it is the only way
        shutil.unpack_archive(archive, partial, **safely)
        partial.rename(folder)
    return raw / "lists", folder


def pack(lists: Lists, readers: dict[str, Callable[[], Structure]], missing: float = 0.0) -> DomainSet:
    """One set of all listed domains, in the order of the lists.

    readers: of every domain that is there. missing: largest share of the listed domains that may have no structure.
    Raises ValueError for more, and for a file that is not what it should be.
    """
    there = np.array([name in readers for name in lists.name])
    if (~there).mean() > missing:
        raise ValueError(
            f"{(~there).sum()} of {len(there)} listed domains have no structure, for example "
            f"{lists.name[~there][0]}; expected at most {missing:.1%}"
        )
    parts = []
    for i in tqdm(np.flatnonzero(there), desc="domains", mininterval=30):
        structure = readers[lists.name[i]]()
        one = slice(i, i + 1)
        parts.append(
            DomainSet(
                lists.name[one],
                lists.label[one],
                lists.classes,
                lists.split[one],
                lists.classes[lists.label[one]],
                np.array([0, len(structure.kind)]),
                **vars(structure),
            )
        )
    return join(parts)


def build(kind: str, folder: Path, missing: float = 0.0, published: bool = True) -> Path:
    """Fetch and pack one distribution to <folder>/homologytape/domains.h5; gives the path of it."""
    lists, structures = download(kind, folder / "raw" / "homologytape")
    path = folder / "homologytape" / "domains.h5"
    save(pack(read_lists(lists, published), DISTRIBUTIONS[kind].finds(structures), missing), path)
    return path


def main(words: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m lib.data.sources.homologytape", description=__doc__)
    parser.add_argument(
        "kind", choices=DISTRIBUTIONS, help="; ".join(f"{k}: {d.what}" for k, d in DISTRIBUTIONS.items())
    )
    parser.add_argument("--folder", type=Path, default=ROOT / "data-public", help="where files and the packed set go")
    parser.add_argument("--missing", type=float, default=0.0, help="share of domains that may have no structure")
    given = parser.parse_args(words)
    try:
        print(build(given.kind, given.folder, given.missing))
    except ValueError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()

"""The lists of HomologyTAPE: which domain belongs to which split, and its SCOP 1.75 fold."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.data.domains import SPLITS, TESTS


COUNTS = {  # domains in each list, and classes, of the published set
    "training": 12312,
    "validation": 736,
    "test_fold": 718,
    "test_superfamily": 1254,
    "test_family": 1272,
    "classes": 1195,
}


@dataclass
class Lists:
    """name: (n,) str. label: (n,) int64, index into classes (class,) str. split: (n,) uint8, index into SPLITS."""

    name: np.ndarray
    label: np.ndarray
    split: np.ndarray
    classes: np.ndarray

    def counts(self) -> dict[str, int]:
        """Domains in each list, and classes."""
        return {s: int((self.split == i).sum()) for i, s in enumerate(SPLITS)} | {"classes": len(self.classes)}

    def labels(self, split: str) -> np.ndarray:
        """Labels of one list."""
        return self.label[self.split == SPLITS.index(split)]


def rows(path: Path) -> list[list[str]]:
    """Columns of each line of a list that is not empty."""
    return [line.split("\t") for line in path.read_text().splitlines() if line.strip()]


def read_lists(folder: Path, published: bool = True) -> Lists:
    """Read class_map.txt and the five lists of a folder. The first column is the domain, the last one its fold.

    published: refuse lists that do not have the published numbers of domains and classes. Raises FileNotFoundError for
    a missing list and ValueError for an unknown fold, a domain in training and in a test, or other numbers.
    """
    for name in ("class_map", *SPLITS):
        if not (folder / f"{name}.txt").exists():
            raise FileNotFoundError(f"{folder}/{name}.txt is missing, expected the lists of HomologyTAPE there")
    places = {fold: int(index) for fold, index in rows(folder / "class_map.txt")}
    if sorted(places.values()) != list(range(len(places))):
        raise ValueError(f"{folder}/class_map.txt does not number its folds from 0 to {len(places) - 1}")
    name, label, split = [], [], []
    for i, part in enumerate(SPLITS):
        for row in rows(folder / f"{part}.txt"):
            if row[-1].strip() not in places:
                raise ValueError(f"{folder}/{part}.txt: fold {row[-1]!r} of {row[0]} is not in class_map.txt")
            name.append(row[0])
            label.append(places[row[-1].strip()])
            split.append(i)
    lists = Lists(np.array(name), np.array(label), np.array(split, np.uint8), np.array(sorted(places, key=places.get)))
    if published and lists.counts() != COUNTS:
        raise ValueError(f"the lists in {folder} have {lists.counts()}, expected {COUNTS}")
    trained = set(lists.name[lists.split == 0])
    for i, part in enumerate(SPLITS):
        if part in TESTS and (shared := trained & set(lists.name[lists.split == i])):
            raise ValueError(f"{len(shared)} domains are in training and in {part}, for example {min(shared)}")
    return lists

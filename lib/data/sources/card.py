"""The card of a packed public set: where it is from, what was left out and why, how it is split."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from lib.data.checksum import sha256
from lib.data.molecules import SPLITS
from lib.data.sources.pack import Report
from lib.make.card import versions


if TYPE_CHECKING:
    from lib.data.sources.source import Source


def write_card(folder: Path, source: "Source", raw: Path, report: Report, limit: int | None) -> None:
    """Write folder/card.json about folder/molecules.h5; raw: the folder of the files that it was made of."""
    with h5py.File(folder / "molecules.h5") as file:
        split = np.bincount(file["split"][:], minlength=len(SPLITS))
        targets = {
            name: file[group][name].attrs["unit"] for group in ("molecule", "atom") for name in file.get(group, {})
        }
    card = {
        "name": source.name,
        "what": source.what,
        "engine": f"none: fetched and packed, {source.citation}",
        "files": {
            file.name: {
                "url": file.url,
                "bytes": (raw / file.name).stat().st_size,
                "sha256": sha256(raw / file.name),
                "pinned": "sha256" if file.sha256 else "md5" if file.md5 else "size" if file.size else "on first fetch",
            }
            for file in source.files
        },
        "versions": versions("numpy", "h5py", "numba"),
        "settings": source.settings | {"limit": limit},
        "sizes": {"molecules": report.packed, "atoms": report.atoms} | dict(zip(SPLITS, split.tolist())),
        "left_out": {
            "seen": report.seen,
            "excluded": report.excluded,
            "failed": report.failed,
            "reasons": dict(report.reasons),
            "first": report.first,
        },
        "units": {"pos": "Å"} | targets,
        "licence": source.licence,
        "sha256": {"molecules.h5": sha256(folder / "molecules.h5")},
    }
    partial = folder / "card.json.tmp"
    partial.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    os.replace(partial, folder / "card.json")

"""The card of a data set: what it is, how it was made, and the sha256 of each of its files."""

import importlib.metadata
import json
import os
from pathlib import Path

from lib.data.checksum import sha256


LICENCE = "CC0-1.0"


def versions(*packages: str) -> dict[str, str]:
    """Installed version of each package."""
    return {name: importlib.metadata.version(name) for name in packages}


def write_card(folder: Path, what: str, engine: str, packages: list[str], settings: dict, sizes: dict, units: dict):
    """Write folder/card.json about every other file below `folder`; `settings` holds seeds and reasons for choices."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "card.json" and p.suffix != ".tmp"]
    card = {
        "name": folder.name,
        "what": what,
        "engine": engine,
        "versions": versions(*packages),
        "settings": settings,
        "sizes": sizes,
        "units": units,
        "licence": LICENCE,
        "sha256": {p.relative_to(folder).as_posix(): sha256(p) for p in files},
    }
    partial = folder / "card.json.tmp"
    partial.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    os.replace(partial, folder / "card.json")

"""Outside data that may not be shipped: looked for beside the repository, used where it is there."""

import os
from pathlib import Path

from lib.paths import ROOT


def place() -> Path:
    """Folder of the outside data: the variable REFERENCE_DATA, by default `shared` beside the repository."""
    return Path(os.environ.get("REFERENCE_DATA", ROOT.parent / "shared"))


def reference(name: str) -> Path | None:
    """A file or folder of the outside data, None where it is missing."""
    path = place() / name
    return path if path.exists() else None

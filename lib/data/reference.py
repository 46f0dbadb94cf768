"""Outside data that may not be shipped: looked for beside the repository, used where it is there."""

import os
from pathlib import Path

from lib.paths import ROOT


def reference(name: str) -> Path | None:
    """A file or folder of the outside reference data, None where it is missing.

    Its place is the environment variable REFERENCE_DATA, by default a folder `shared` beside the repository.
    """
    path = Path(os.environ.get("REFERENCE_DATA", ROOT.parent / "shared")) / name
    return path if path.exists() else None

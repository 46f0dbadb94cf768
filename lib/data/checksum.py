"""The sha256 of a file."""

import hashlib
from pathlib import Path


def sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""What several tests need and is no fixture."""

import subprocess
import sys
from pathlib import Path

from lib.verify import environment


def dvc(where: Path, *arguments: str, check: bool = True) -> str:
    """Output of a dvc command run in `where` with this interpreter."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=where,
        env=environment() | {"DVC_NO_ANALYTICS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if check and done.returncode:
        raise AssertionError(f"dvc {' '.join(arguments)} failed:\n{done.stdout}")
    return done.stdout

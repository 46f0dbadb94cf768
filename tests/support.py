"""What several tests need and is no fixture."""

import functools
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mdtraj

from lib.data.trajectories import System
from lib.paths import ROOT
from lib.verify.execute import environment


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


KERNELS = """
import torch
from lib.models import EncoderConfig, random_encoder
for name in ("et", "visnet"):
    encoder = random_encoder(EncoderConfig(name, 1, 64), 0)
    given = torch.full((4,), 6), 1.5 * torch.eye(4, 3), torch.zeros(4, dtype=torch.long)
    with torch.no_grad():
        encoder(*given)
    scalars, vectors = encoder(*given)
    (scalars.sum() + vectors.sum()).backward()
"""


def compiled() -> list[Path]:
    """Files in which Numba keeps the compiled kernels of lib/; they hold in any copy with the same times of change.

    A clone without them compiles for a minute.
    """
    subprocess.run([sys.executable, "-c", KERNELS], cwd=ROOT, check=True, env=environment())
    return [path for path in (ROOT / "lib").rglob("__pycache__/*") if path.suffix in (".nbi", ".nbc")]


def peptide(name: str, atoms: str = "all", paths: list[Path] = ()) -> System:
    """A system by its start structure in lib/make/start, with trajectories that a test has made."""
    topology = mdtraj.load(str(ROOT / "lib" / "make" / "start" / f"{name}.pdb")).topology
    return System(name, topology, list(paths), 1.0, topology.select(atoms))


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def serving_folder(folder: Path) -> Iterator[str]:
    """A web server of a folder on loopback; gives its address, with a slash at the end."""
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()

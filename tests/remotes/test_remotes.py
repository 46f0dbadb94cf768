"""Data and checkpoints travel through S3, SSH and WebDAV remotes and come back whole."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest


sys.path.append(str(Path(__file__).parent))
import servers
from support import dvc


@pytest.fixture
def place():
    """A short folder that a server of another user may enter; pytest's own are closed to it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def project(folder: Path, options: dict[str, str]) -> Path:
    """A small DVC project with one file, one folder and the remote to be tested."""
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    dvc(folder, "init", "--quiet")
    (folder / "weights.bin").write_bytes(b"weights" * 1000)
    (folder / "data").mkdir()
    for i in range(3):
        (folder / "data" / f"{i}.txt").write_text(f"frame {i}\n" * 10)
    dvc(folder, "add", "--quiet", "weights.bin", "data")
    options = dict(options)
    dvc(folder, "remote", "add", "--default", "there", options.pop("url"))
    for name, value in options.items():
        dvc(folder, "remote", "modify", "--local", "there", name, value)
    return folder


def digests(folder: Path) -> dict[str, str]:
    files = [folder / "weights.bin", *sorted((folder / "data").iterdir())]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def forget(folder: Path) -> None:
    """What a fresh clone has: neither files nor cache."""
    shutil.rmtree(folder / "data")
    (folder / "weights.bin").unlink()
    shutil.rmtree(folder / ".dvc" / "cache")


@pytest.mark.parametrize("server", [servers.s3, servers.ssh, servers.webdav], ids=lambda server: server.__name__)
def test_a_remote_gives_back_what_it_was_given(place, server):
    with server(place) as options:
        folder = project(place / "project", options)
        before = digests(folder)
        dvc(folder, "push", "--quiet")
        forget(folder)
        dvc(folder, "pull", "--quiet")
        assert digests(folder) == before


def test_s3_with_verify_refuses_a_corrupted_object(place):
    """Without `verify` DVC trusts the store: the README tells users of S3 to switch it on."""
    with servers.s3(place) as options:
        folder = project(place / "project", options)
        dvc(folder, "push", "--quiet")
        damaged = next(path for path in (place / "store").rglob("*") if path.is_file() and path.stat().st_size == 7000)
        damaged.write_bytes(b"WEIGHTS" * 1000)
        forget(folder)
        dvc(folder, "remote", "modify", "there", "verify", "true")
        said = dvc(folder, "pull", check=False)
        assert "weights.bin" in said
        assert not (folder / "weights.bin").exists()

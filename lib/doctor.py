"""Say in plain words what on this machine would stop the suite, and how to mend it; exit status 1 if anything would.

Only the standard library is imported here, so that it also runs where the environment is missing or broken.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from lib.paths import ROOT


PYTHON = (3, 11)
DISK_GB, MEMORY_GB = 3, 6  # environment, cache and intermediates of the demo profile; its largest process
PORT = 8888  # JupyterLab's first choice


@dataclass(frozen=True)
class Finding:
    """One line of the report. `mend` is empty when nothing is wrong; a warning does not stop the suite."""

    subject: str
    found: str
    mend: str = ""
    warning: bool = False

    def __str__(self) -> str:
        mark = "ok  " if not self.mend else "note" if self.warning else "FAIL"
        return f"{mark}  {self.subject:12s} {self.found}" + (f"\n{'':19s}-> {self.mend}" if self.mend else "")


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """The interpreter's version."""
    found = ".".join(map(str, version))
    fits = tuple(version[:2]) == PYTHON
    return Finding("Python", found, "" if fits else "install Python 3.11 (or use environment.yml), then `make repro`")


def packages(lock: Path = ROOT / "requirements.lock") -> Finding:
    """Installed versions against the pinned ones."""
    wrong = []
    pins = [line.split(";")[0].strip() for line in lock.read_text().splitlines() if "==" in line]
    for pin in pins:
        name, version = pin.split("==")
        try:
            found = metadata.version(name.split("[")[0])
        except metadata.PackageNotFoundError:
            found = "missing"
        if found.split("+")[0] != version:
            wrong.append(f"{name} {found}, not {version}")
    if not wrong:
        return Finding("packages", f"all {len(pins)} at their pinned versions")
    shown = "; ".join(wrong[:3]) + ("; …" if len(wrong) > 3 else "")
    return Finding("packages", f"{len(wrong)} of {len(pins)} differ: {shown}", "delete .venv and run `make repro`")


def torch() -> Finding:
    """Which build of PyTorch, and whether it loads and sees a GPU."""
    try:
        import torch as library
    except Exception as error:  # a broken build raises whatever its loader raises
        return Finding("PyTorch", f"does not load: {error}", "delete .venv and run `make repro`")
    if library.cuda.is_available():
        return Finding("PyTorch", f"{library.__version__} on {library.cuda.get_device_name()}")
    if library.version.cuda and shutil.which("nvidia-smi"):
        mend = f"its CUDA {library.version.cuda} does not fit the driver; choose another build with TORCH_INDEX"
        return Finding("PyTorch", f"{library.__version__} sees no GPU", mend, warning=True)
    return Finding("PyTorch", f"{library.__version__} on the CPU, which the demo profile is made for")


def room(free: int | None = None, memory: int | None = None) -> Iterator[Finding]:
    """Free disk and memory in bytes; None asks the machine."""
    free = shutil.disk_usage(ROOT).free if free is None else free
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if memory is None else memory
    enough = free >= DISK_GB * 1e9
    yield Finding("disk", f"{free / 1e9:.0f} GB free", "" if enough else f"the demo profile needs {DISK_GB} GB")
    enough = memory >= MEMORY_GB * 1e9
    mend = "" if enough else f"the demo profile wants {MEMORY_GB} GB; set `workers` and `threads` in params.yaml to 1"
    yield Finding("memory", f"{memory / 1e9:.0f} GB, {os.cpu_count()} cores", mend, warning=True)


def writable() -> Finding:
    """Whether results can be written below the repository root."""
    fits = os.access(ROOT, os.W_OK)
    return Finding("folder", str(ROOT), "" if fits else "it is read-only; clone the repository to a place of your own")


def repository() -> Finding:
    """DVC finds its stages through Git."""
    fits = (ROOT / ".git").exists() and shutil.which("git")
    mend = "" if fits else "install git and use a clone: an unpacked archive has no history for DVC to work with"
    return Finding("Git", "a clone" if fits else "no git or no clone", mend)


def data(folder: Path = ROOT) -> Finding:
    """Whether data, checkpoints and results are here or can be fetched, by DVC's comparison of cache and remote."""
    command = [sys.executable, "-m", "dvc", "status", "--cloud", "--json"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if answer.returncode:
        said = answer.stderr.strip().splitlines()
        mend = (
            "make the environment with `make repro`; if it is there, see the remote in .dvc/config and its credentials"
        )
        return Finding("DVC", said[-1] if said else "no answer", mend)
    state = json.loads(answer.stdout)
    lost = sorted(name for name, what in state.items() if what == "missing")
    away = [name for name, what in state.items() if what == "deleted"]
    if lost:
        mend = "`git checkout -- remote` restores the embedded remote; `dvc repro` makes them again"
        return Finding("data", f"{len(lost)} files are neither here nor in the remote, such as {lost[0]}", mend)
    if away:
        return Finding("data", f"{len(away)} files are still in the remote", "`make repro` fetches them", warning=True)
    return Finding("data", "data and results are here")


def profile() -> Finding:
    """Which profile is in force."""
    here = (ROOT / "params.yaml").read_bytes()
    names = [path.stem for path in sorted((ROOT / "profiles").glob("*.yaml")) if path.read_bytes() == here]
    mend = "`make profile NAME=demo` restores the shipped one" if not names else ""
    return Finding("profile", names[0] if names else "params.yaml is your own", mend, warning=True)


def kernel() -> Finding:
    """Whether the notebooks' kernel `python3` is this interpreter, and not one of another environment."""
    try:
        from jupyter_client.kernelspec import KernelSpecManager

        command = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except Exception as error:  # no Jupyter, or no such kernel
        return Finding("kernel", f"none: {error}", "delete .venv and run `make repro`")
    fits = command in ("python", "python3") or Path(command).resolve() == Path(sys.executable).resolve()
    mend = "" if fits else "remove that kernel: `jupyter kernelspec remove python3`"
    return Finding("kernel", "python3 is this interpreter" if fits else f"python3 is {command}", mend)


def port(number: int = PORT) -> Finding:
    """Whether JupyterLab's usual port is free."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", number))
        except OSError:
            return Finding(
                "port", f"{number} is taken", "none needed: `make lab` takes the next free one", warning=True
            )
    return Finding("port", f"{number} is free for `make lab`")


CHECKS: tuple[Callable, ...] = (python, packages, torch, room, writable, repository, data, profile, kernel, port)


def main() -> int:
    """Print every finding; 1 if one of them would stop the suite."""
    findings = []
    for check in CHECKS:
        result = check()
        for finding in [result] if isinstance(result, Finding) else result:
            print(finding, flush=True)
            findings.append(finding)
    wrong = sum(bool(f.mend) and not f.warning for f in findings)
    print(f"\n{wrong} to mend before `make repro` can work" if wrong else "\nready: `make repro`")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

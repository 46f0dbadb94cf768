"""A `python` that has the slow libraries loaded already, for tests that start dozens of processes.

A server imports them once and forks; a stage of the pipeline is otherwise nine seconds of imports. Nothing of lib/ is
loaded: each process reads it from its own folder.

    python tests/preload.py FOLDER     serve at FOLDER/socket; FOLDER/python is the program to call
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


LIBRARIES = [
    "torch._dynamo", "deeptime.decomposition", "mdtraj", "numba", "scipy.stats", "scipy.cluster.hierarchy",
    "sklearn.cluster", "pandas", "h5py", "rdkit.Chem", "matplotlib.figure", "matplotlib.backends.backend_agg",
    "papermill", "nbconvert", "dvc.cli.parser", "dvc.repo", "ipykernel.zmqshell",
]  # fmt: skip
UNLOADED = {"lib", "matplotlib.pyplot", "ipykernel.kernelapp"}  # they look at what is around them when they are loaded
MODULES = ["dvc", "papermill", "lib.notebook", "ipykernel_launcher"]  # what is forked; anything else starts as ever

PROGRAM = """#!{real} -IS
import json, os, signal, socket, sys
real, folder = {real!r}, os.path.dirname(__file__)
if sys.argv[1:2] != ["-m"] or sys.argv[2] not in {modules!r}:
    os.execv(real, [real, *sys.argv[1:]])
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Jupyter interrupts a kernel that it shuts down
server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.connect(os.path.join(folder, "socket"))
request = json.dumps([sys.argv, os.getcwd(), dict(os.environ)])
socket.send_fds(server, [request.encode()], [0, 1, 2])
sys.exit(int(server.recv(16) or 1))
"""


def next_request(listener: socket.socket) -> list:
    """Serve for ever; returns in a forked process only, the one that is to be what was asked for."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asking, _ = listener.accept()
        if os.fork():
            asking.close()
            continue
        listener.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        request, descriptors, *_ = socket.recv_fds(asking, 1 << 20, 3)
        if child := os.fork():
            watch(child, asking)
        asking.close()
        for standard, given in enumerate(descriptors):
            os.dup2(given, standard)
            os.close(given)
        return json.loads(request)


def watch(child: int, asking: socket.socket) -> None:
    """Give the exit status of `child` to who asked for it, or end it where nobody waits any more."""
    ended = os.pidfd_open(child)
    ready, _, _ = select.select([ended, asking], [], [])
    if ended not in ready:
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended in ready:
        asking.send(str(status if status >= 0 else 128 - status).encode())
    os._exit(0)


def become(arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    """Run `program -m module …` in this process."""
    program, _, module, *rest = arguments
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:1] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = [module, *rest]
    if module == "ipykernel_launcher":  # matplotlib asks for its backend when it is imported
        sys.modules["matplotlib"].rcParams["backend"] = "module://matplotlib_inline.backend_inline"
    else:
        sys.executable = program  # for the stages of dvc, and for the kernels of papermill
    status = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code
        if not isinstance(status, int | None):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        traceback.print_exc()
        status = 1
    # The interpreter would take two seconds to tidy up all that was loaded.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)


def main(folder: Path) -> None:
    for name in LIBRARIES:
        importlib.import_module(name)
    assert threading.active_count() == 1, "a fork has one thread"
    assert not sys.modules.keys() & UNLOADED
    gc.freeze()  # or the first collection in each fork copies all of it
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(folder / "socket"))
    listener.listen(64)
    print("ready", flush=True)
    become(*next_request(listener))


@contextmanager
def preloaded(folder: Path) -> Iterator[Path]:
    """The program, while its server runs; `folder` must have a short name (a socket's has at most 107 bytes)."""
    program = folder / "python"
    program.write_text(PROGRAM.format(real=sys.executable, modules=MODULES))
    program.chmod(0o755)
    with subprocess.Popen([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, text=True) as server:
        try:
            if server.stdout.readline() != "ready\n":
                raise RuntimeError(f"{__file__} did not start; see what it printed above")
            yield program
        finally:
            server.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

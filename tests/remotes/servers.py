"""Real servers on loopback, each started for one test: S3, SSH and WebDAV."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


LOOPBACK = "127.0.0.1"
APACHE_MODULES = Path("/usr/lib/apache2/modules")  # Debian's place
KEY, SECRET = "suite", "suite-secret"


def program(*names: str) -> str:
    """Path of the first of these programs that is installed, or a skip that names them."""
    for name in names:
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if path:
            return path
    pytest.skip(f"{' or '.join(names)} is not installed")


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind((LOOPBACK, 0))
        return trial.getsockname()[1]


@contextlib.contextmanager
def running(command: list[str], port: int, log: Path, **options) -> Iterator[None]:
    """Keep a server alive inside the block; it counts as started when it accepts a connection."""
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, **options) as server:
        try:
            deadline = time.monotonic() + 30
            while True:
                with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
                    break
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} did not start:\n{log.read_text()}")
                time.sleep(0.05)
            yield
        finally:
            server.terminate()


@contextlib.contextmanager
def s3(folder: Path) -> Iterator[dict[str, str]]:
    """rclone's S3 server over `folder`/store; gives the options of the DVC remote."""
    port, store = free_port(), folder / "store"
    (store / "bucket").mkdir(parents=True)
    command = [program("rclone"), "serve", "s3", str(store), "--addr", f"{LOOPBACK}:{port}"]
    command += ["--auth-key", f"{KEY},{SECRET}", "--vfs-cache-mode", "off"]
    with running(command, port, folder / "s3.log", env=os.environ | {"RCLONE_CONFIG": str(folder / "none.conf")}):
        yield {
            "url": "s3://bucket/dvc",
            "endpointurl": f"http://{LOOPBACK}:{port}",
            "region": "us-east-1",
            "access_key_id": KEY,
            "secret_access_key": SECRET,
        }


@contextlib.contextmanager
def ssh(folder: Path) -> Iterator[dict[str, str]]:
    """OpenSSH with a key of its own, for the present user."""
    port, keygen = free_port(), program("ssh-keygen")
    for name in ("host", "user"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    settings = {
        "Port": port,
        "ListenAddress": LOOPBACK,
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized",
        "PidFile": "none",
        "StrictModes": "no",  # the temporary folder may belong to a group
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "Subsystem": "sftp internal-sftp",
    }
    (folder / "sshd_config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with running([program("sshd"), "-D", "-e", "-f", str(folder / "sshd_config")], port, folder / "ssh.log"):
        yield {
            "url": f"ssh://{getpass.getuser()}@{LOOPBACK}:{port}{folder}/store",
            "keyfile": str(folder / "user"),
        }


@contextlib.contextmanager
def webdav(folder: Path) -> Iterator[dict[str, str]]:
    """Apache with mod_dav and a password."""
    port, store = free_port(), folder / "store"
    (store / "dvc").mkdir(parents=True)  # DVC cannot make the remote's own folder there
    folder.chmod(0o755)
    owner = ""
    if os.getuid() == 0:  # Apache gives up root's rights
        owner = "User www-data\nGroup www-data"
        for path in (store, store / "dvc"):
            shutil.chown(path, "www-data", "www-data")
    apache, htpasswd = program("apache2", "httpd"), program("htpasswd")
    subprocess.run([htpasswd, "-bc", str(folder / "users"), KEY, SECRET], check=True, capture_output=True)
    modules = ("mpm_event", "authn_file", "authn_core", "authz_user", "authz_core", "auth_basic", "dav", "dav_fs")
    text = "".join(f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so\n" for name in modules)
    text += f"""
ServerName {LOOPBACK}
Listen {LOOPBACK}:{port}
PidFile {folder}/pid
ErrorLog {folder}/error.log
{owner}
DocumentRoot {store}
DavLockDB {store}/.lock
<Directory {store}>
  Dav On
  AuthType Basic
  AuthName suite
  AuthUserFile {folder}/users
  Require valid-user
</Directory>
"""
    (folder / "apache.conf").write_text(text)
    command = [apache, "-d", str(folder), "-f", str(folder / "apache.conf"), "-DFOREGROUND"]
    with running(command, port, folder / "apache.log"):
        yield {"url": f"webdav://{LOOPBACK}:{port}/dvc", "user": KEY, "password": SECRET}

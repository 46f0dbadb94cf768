"""`make doctor` finds what is wrong and says how to mend it."""

import socket
import subprocess
import sys

from ruamel.yaml import YAML

from lib import doctor
from lib.paths import ROOT


def test_another_python_is_named():
    assert doctor.python((3, 11, 9)).mend == ""
    finding = doctor.python((3, 13, 0))
    assert "3.13.0" in finding.found
    assert "3.11" in finding.mend


def test_a_package_at_another_version_or_absent_is_named(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("numpy==0.0.1\nno-such-package==1.0\n")
    finding = doctor.packages(lock)
    assert finding.mend
    assert finding.found.startswith("2 of 2 differ: numpy ")
    assert "no-such-package missing, not 1.0" in finding.found


def test_a_full_disk_stops_and_a_small_memory_warns():
    disk, memory = doctor.room(free=10**8, memory=2 * 10**9)
    assert disk.mend
    assert not disk.warning
    assert memory.mend
    assert memory.warning


def test_a_taken_port_is_a_note():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        assert doctor.port(number).warning
    assert doctor.port(number).mend == ""


def test_files_to_fetch_are_a_note_and_lost_ones_stop(fresh):
    finding = doctor.data(fresh)
    assert finding.warning
    assert "still in the remote" in finding.found
    outs = YAML(typ="safe").load(fresh / "dvc.lock")["stages"]["report@all"]["outs"]
    lost = next(out["md5"] for out in outs if out["path"].endswith(".ipynb"))
    (fresh / "remote" / "files" / "md5" / lost[:2] / lost[2:]).unlink()
    finding = doctor.data(fresh)
    assert finding.mend
    assert not finding.warning
    assert finding.found.startswith("1 files are neither here")


def test_an_interpreter_without_packages_is_told_what_to_do():
    """-S hides the installed packages, as in a machine where nothing has been installed yet."""
    done = subprocess.run([sys.executable, "-S", "-m", "lib.doctor"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "make repro" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr

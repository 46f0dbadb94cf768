import hashlib
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from data.sources.server import serving

from lib.data.sources import fetch as module
from lib.data.sources.fetch import FetchError, fetch
from lib.paths import ROOT


CONTENT = np.random.default_rng(0).bytes(300_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "FIRST_WAIT", 0.001)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_arrives_whole_and_alone(tmp_path):
    with serving(CONTENT) as server:
        path = fetch(server.url, tmp_path / "f.bin", len(CONTENT), SHA)
        assert path.read_bytes() == CONTENT
        assert names(tmp_path) == ["f.bin"]
        fetch(server.url, path, len(CONTENT), SHA)
        assert len(server.requests) == 1  # the second call only looks


def test_md5_is_looked_at(tmp_path):
    with serving(CONTENT) as server:
        fetch(server.url, tmp_path / "f.bin", md5=hashlib.md5(CONTENT).hexdigest())
        with pytest.raises(FetchError, match="md5"):
            fetch(server.url, tmp_path / "g.bin", md5="0" * 32)


def test_a_transfer_that_breaks_off_goes_on_where_it_was(tmp_path):
    with serving(CONTENT, breaks=[70_000, 1_000, 0, 90_000]) as server:
        assert fetch(server.url, tmp_path / "f.bin", sha256=SHA).read_bytes() == CONTENT
        assert server.requests == [None, "bytes=70000-", "bytes=71000-", "bytes=71000-", "bytes=161000-"]


def test_the_next_call_goes_on_after_too_many_failures(tmp_path):
    with serving(CONTENT, breaks=[100_000] + [0] * 20) as server:
        with pytest.raises(FetchError, match=r"broke off after 100000 of 300000 bytes.*the next call goes on"):
            fetch(server.url, tmp_path / "f.bin", sha256=SHA)
        assert names(tmp_path) == ["f.bin.part", "f.bin.part.json"]
        server.breaks.clear()
        fetch(server.url, tmp_path / "f.bin", sha256=SHA)
        assert server.requests[-1] == "bytes=100000-"
        assert names(tmp_path) == ["f.bin"]


@pytest.mark.parametrize("how", [{"ranges": False}, {"ranges": False, "tells_length": False}])
def test_a_server_without_ranges_begins_anew(tmp_path, how):
    with serving(CONTENT, breaks=[50_000] + [0] * 20) as server:
        with pytest.raises(FetchError):
            fetch(server.url, tmp_path / "f.bin", sha256=SHA)
        server.breaks.clear()
        for name, value in how.items():
            setattr(server, name, value)
        assert fetch(server.url, tmp_path / "f.bin", sha256=SHA).read_bytes() == CONTENT


def test_a_file_that_changed_at_the_server_is_not_mixed_with_the_old_one(tmp_path):
    other = CONTENT[::-1]
    with serving(CONTENT, breaks=[100_000] + [0] * 20) as server:
        with pytest.raises(FetchError):
            fetch(server.url, tmp_path / "f.bin")
        server.breaks.clear()
        server.content = other
        assert fetch(server.url, tmp_path / "f.bin").read_bytes() == other


def test_a_part_that_is_already_whole_or_too_long(tmp_path):
    with serving(CONTENT, breaks=[100] + [0] * 20) as server:
        with pytest.raises(FetchError):
            fetch(server.url, tmp_path / "f.bin", sha256=SHA)
        server.breaks.clear()
        (tmp_path / "f.bin.part").write_bytes(CONTENT)
        fetch(server.url, tmp_path / "f.bin", sha256=SHA)
        assert server.requests[-1] == "bytes=300000-"
        (tmp_path / "f.bin").rename(tmp_path / "f.bin.part")
        with (tmp_path / "f.bin.part").open("ab") as file:
            file.write(b"more")
        assert fetch(server.url, tmp_path / "f.bin", sha256=SHA).read_bytes() == CONTENT


def test_a_corrupted_file_is_refused_by_name_and_put_aside(tmp_path):
    wrong = bytes([CONTENT[0] ^ 1]) + CONTENT[1:]
    with serving(wrong) as server:
        with pytest.raises(FetchError, match=r"f\.bin is not the expected file: sha256 .*put aside as f\.bin\.bad"):
            fetch(server.url, tmp_path / "f.bin", sha256=SHA)
        assert names(tmp_path) == ["f.bin.bad"]
        server.content = CONTENT
        fetch(server.url, tmp_path / "f.bin", sha256=SHA)  # and nothing of the bad one is used again


def test_a_file_that_rotted_on_the_disk_is_refused(tmp_path):
    with serving(CONTENT) as server:
        path = fetch(server.url, tmp_path / "f.bin", sha256=SHA)
        path.write_bytes(CONTENT[:-1] + b"?")
        with pytest.raises(FetchError, match=r"f\.bin is not the expected file"):
            fetch(server.url, path, sha256=SHA)


def test_without_a_known_checksum_the_first_fetch_is_noted(tmp_path):
    with serving(CONTENT) as server:
        path = fetch(server.url, tmp_path / "f.bin")
        assert (tmp_path / "f.bin.sha256").read_text().strip() == SHA
        fetch(server.url, path)
        path.write_bytes(CONTENT[:-1] + b"?")
        with pytest.raises(FetchError, match="expected " + SHA):
            fetch(server.url, path)


def test_a_file_put_there_by_hand_is_taken_and_noted(tmp_path):
    (tmp_path / "f.bin").write_bytes(CONTENT)
    fetch("http://127.0.0.1:9/f.bin", tmp_path / "f.bin")
    assert (tmp_path / "f.bin.sha256").read_text().strip() == SHA


def test_the_wrong_size_is_refused_before_the_transfer(tmp_path):
    with serving(CONTENT) as server, pytest.raises(FetchError, match="300000 bytes at the server, expected 7"):
        fetch(server.url, tmp_path / "f.bin", size=7)
    assert not (tmp_path / "f.bin.part").exists()


def test_a_page_instead_of_an_archive_is_refused(tmp_path):
    with (
        serving(b"<html>please log in</html>") as server,
        pytest.raises(FetchError, match=r"begins with b'<html>.*expected a \.gz file"),
    ):
        fetch(server.url, tmp_path / "f.tar.gz")
    assert not (tmp_path / "f.tar.gz").exists()


@pytest.mark.parametrize(("status", "tries", "words"), [(404, 1, "404"), (202, 1, "answers 202"), (503, 6, "503")])
def test_what_the_server_answers_is_said(tmp_path, status, tries, words):
    with serving(CONTENT, status=status) as server:
        with pytest.raises(FetchError, match=words):
            fetch(server.url, tmp_path / "f.bin")
        assert len(server.requests) == tries
    assert not (tmp_path / "f.bin").exists()


def test_nobody_answers(tmp_path):
    with pytest.raises(FetchError, match=r"f\.bin cannot be fetched from http://127.0.0.1:9/f: .*refused"):
        fetch("http://127.0.0.1:9/f", tmp_path / "f.bin")


def test_a_silent_server_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.1)
    monkeypatch.setattr(module, "ATTEMPTS", 2)
    with (
        serving(CONTENT, piece=1000, pause=threading.Event(), seconds=1.0) as server,
        pytest.raises(FetchError, match="timed out"),
    ):
        fetch(server.url, tmp_path / "f.bin")


def test_a_full_disk_is_noticed_before(tmp_path, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with serving(CONTENT) as server, pytest.raises(FetchError, match="GB left"):
        fetch(server.url, tmp_path / "f.bin")


def test_killed_at_random_moments_it_resumes(tmp_path):
    """A real process is killed with SIGKILL at seeded byte counts; in the end the file is right, and no byte too many
    was sent again."""
    content = np.random.default_rng(1).bytes(6 << 20)
    sha, path, part = hashlib.sha256(content).hexdigest(), tmp_path / "f.bin", tmp_path / "f.bin.part"
    code = (
        "import sys; from lib.data.sources import fetch as f; f.PIECE = 65536; "
        "f.fetch(sys.argv[1], __import__('pathlib').Path(sys.argv[2]), sha256=sys.argv[3])"
    )
    with serving(content, pause=threading.Event(), seconds=0.004) as server:
        call = [sys.executable, "-c", code, server.url, str(path), sha]
        for stop in np.sort(np.random.default_rng(7).integers(1, len(content) - (1 << 20), 3)):
            process = subprocess.Popen(call, cwd=ROOT, stderr=subprocess.DEVNULL)
            while not (part.exists() and part.stat().st_size >= stop) and process.poll() is None:
                time.sleep(0.001)
            assert process.poll() is None, "it was not killed but ended"
            process.kill()
            process.wait()
            assert not path.exists()
        kept = part.stat().st_size
        server.pause = None
        subprocess.run(call, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
        assert server.requests[-1] == f"bytes={kept}-"
        assert path.read_bytes() == content
        assert names(tmp_path) == ["f.bin"]

"""Fetch a file over HTTP: resumed where it was interrupted, checked, and under its name only when it is whole."""

import errno
import hashlib
import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from lib.data.checksum import sha256 as sha256_of


PIECE = 1 << 20
TIMEOUT = 30.0  # s without a byte
ATTEMPTS = 6  # failures in a row without progress
FIRST_WAIT = 1.0  # s, doubled after each failure
MAGIC = {".gz": b"\x1f\x8b", ".tgz": b"\x1f\x8b", ".zip": b"PK", ".npz": b"PK", ".bz2": b"BZh"}
LOCAL = (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR)  # no use in trying again
AGENT = {"User-Agent": "Mozilla/5.0 (compatible; python-urllib)", "Accept-Encoding": "identity"}


class FetchError(ValueError):
    """A file that cannot be had, or is not the one expected; the message names it."""


def fetch(url: str, path: Path, size: int | None = None, sha256: str | None = None, md5: str | None = None) -> Path:
    """The file at `url`, at `path`; one that is there already is only checked.

    size: bytes. sha256, md5: hexadecimal. Where neither checksum is known, the sha256 is noted in <path>.sha256 when
    the file is first seen, and a later change is refused. A transfer that breaks off is tried again from where it
    was, now or by the next call: until it is whole and checked, the file is <path>.part. A server that cannot resume,
    or has another file by now, begins anew. Raises FetchError, naming file and reason, for an address that does not
    answer, a disk that is too full, and a file that is not the expected one, which is put aside as <path>.bad.
    """
    path = Path(path)
    part, note = path.with_name(path.name + ".part"), path.with_name(path.name + ".sha256")
    known = sha256 or md5
    if path.exists():
        noted = note.read_text().strip() if note.exists() and not known else None
        _check(path, path, size, sha256 or noted, md5)
        if not (known or noted):  # put there by hand
            _note(note, path)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    _transfer(url, part, size)
    _check(part, path, size, sha256, md5)
    if not known:
        _note(note, part)
    os.replace(part, path)
    _state(part).unlink(missing_ok=True)
    return path


def _note(note: Path, file: Path) -> None:
    partial = note.with_name(note.name + ".tmp")
    partial.write_text(sha256_of(file) + "\n")
    os.replace(partial, note)


def _state(part: Path) -> Path:
    """Which version of the file on the server `part` is the beginning of."""
    return part.with_name(part.name + ".json")


def _transfer(url: str, part: Path, size: int | None) -> None:
    failures, wait = 0, FIRST_WAIT
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _attempt(url, part, size)
            return
        except urllib.error.HTTPError as error:
            reason = f"the server answers {error.code} {error.reason}"
            if error.code < 500 and error.code not in (408, 425, 429):
                raise FetchError(f"{part.name.removesuffix('.part')} cannot be fetched from {url}: {reason}") from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in LOCAL:
                raise FetchError(f"{part} cannot be written: {error.strerror}") from error
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        progress = part.exists() and part.stat().st_size > before
        failures, wait = (1, FIRST_WAIT) if progress else (failures + 1, wait)
        if failures >= ATTEMPTS:
            raise FetchError(
                f"{part.name.removesuffix('.part')} cannot be fetched from {url}: {reason}, {failures} times; "
                f"what is there is kept, and the next call goes on"
            )
        time.sleep(wait)
        wait *= 2


def _attempt(url: str, part: Path, size: int | None) -> None:
    """Append to `part` what is missing; raises OSError or HTTPException where the transfer breaks off."""
    state = json.loads(_state(part).read_text()) if _state(part).exists() else {}
    have = part.stat().st_size if part.exists() else 0
    if have and state.get("url") != url:
        have = 0
    if have and size is not None and have == size:
        return
    headers = dict(AGENT)
    if have:
        headers["Range"] = f"bytes={have}-"
        if state.get("version"):
            headers["If-Range"] = state["version"]
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        if error.headers.get("Content-Range", "").endswith(f"/{have}"):
            return  # all of it is here
        part.unlink()  # longer than the file on the server
        raise http.client.HTTPException("the server's file is shorter than what was fetched of it") from error
    with answer:
        if answer.status not in (200, 206):  # some hosts answer 202 with a page for browsers
            raise FetchError(f"{part.name.removesuffix('.part')}: {url} answers {answer.status}, expected a file")
        if have and (answer.status == 200 or not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")):
            have = 0
            if answer.status == 206:  # of something else than was asked for
                part.unlink()
                raise http.client.HTTPException("the server sends another range than was asked for")
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        _plausible(part, total, size, have)
        tag = answer.headers.get("ETag", "")
        version = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")
        _state(part).write_text(json.dumps({"url": url, "version": version}))
        with (
            part.open("ab" if have else "wb") as file,
            tqdm(
                desc=part.name.removesuffix(".part"),
                initial=have,
                total=total,
                unit="B",
                unit_scale=True,
                mininterval=1,
            ) as bar,
        ):
            while piece := answer.read(PIECE):
                file.write(piece)
                bar.update(len(piece))
        if total is not None and part.stat().st_size < total:
            raise http.client.HTTPException(f"broke off after {part.stat().st_size} of {total} bytes")


def _plausible(part: Path, total: int | None, size: int | None, have: int) -> None:
    """Refuse before the transfer what cannot end well."""
    name = part.name.removesuffix(".part")
    if total is None:
        return
    if size is not None and total != size:
        raise FetchError(f"{name} has {total} bytes at the server, expected {size}: not the expected file")
    free = shutil.disk_usage(part.parent).free
    if total - have > free:
        raise FetchError(f"{name} needs {(total - have) / 1e9:.1f} GB, and {part.parent} has {free / 1e9:.1f} GB left")


def _check(file: Path, name: Path, size: int | None, sha256: str | None, md5: str | None) -> None:
    """Raise FetchError, and put the file aside, unless it has the size, the checksum and the first bytes expected."""
    found = file.stat().st_size
    with file.open("rb") as opened:
        start = opened.read(16)
    magic = MAGIC.get(name.suffix, b"")
    wrong = None
    if size is not None and found != size:
        wrong = f"{found} bytes, expected {size}"
    elif not start.startswith(magic):
        wrong = f"begins with {start!r}, expected a {name.suffix} file"
    elif sha256 is not None and (own := sha256_of(file)) != sha256.lower():
        wrong = f"sha256 {own}, expected {sha256.lower()}"
    elif md5 is not None and (own := _md5(file)) != md5.lower():
        wrong = f"md5 {own}, expected {md5.lower()}"
    if wrong is None:
        return
    aside = name.with_name(name.name + ".bad")
    os.replace(file, aside)
    _state(name.with_name(name.name + ".part")).unlink(missing_ok=True)
    raise FetchError(f"{name} is not the expected file: {wrong}; it was put aside as {aside.name}, fetch it again")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()

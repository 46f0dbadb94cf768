import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest
from data.sources.miniature import tar, zipped

from lib.data.sources import stream, tars, zips
from lib.data.sources.stream import member, opened


LONG = "xyz_files/" + "m" * 60 + "/" + "s" * 64 + ".xyz"
FILES = {"a/1.xyz": b"one", LONG: b"two" * 300, "a/readme": b"no", "a/3.xyz": b"", "b/4.xyz": b"4" * 512}
XYZ = {name: content for name, content in FILES.items() if name.endswith(".xyz")}


def write(path, content):
    path.write_bytes(content)
    return path


def of_tar(path, suffix=".xyz"):
    found = {}
    for files in tars.tar_members(path, lambda name: name.endswith(suffix)):
        assert len(files.names) == len(files.starts)
        found |= {n: files.data[a:b] for n, a, b in zip(files.names, files.starts, files.stops)}
    return found


@pytest.mark.parametrize("layout", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("kind", ["w", "w:gz"])
@pytest.mark.parametrize("piece", [600, 1 << 22])
def test_small_members_of_every_kind_of_tar(tmp_path, monkeypatch, layout, kind, piece):
    monkeypatch.setattr(stream, "PIECE", piece)
    name = "m.tar" if kind == "w" else "m.tar.gz"
    assert of_tar(write(tmp_path / name, tar(FILES, kind, layout))) == XYZ


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_small_members_of_a_zip(tmp_path, method):
    whole = zips.directory(write(tmp_path / "m.zip", zipped(FILES, method)))
    contents, names = zips.read(whole.take(np.arange(len(whole))))
    assert dict(zip(names, contents)) == FILES


def test_a_zip_with_64_bit_fields(tmp_path, monkeypatch):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for k in (3, 1, 2):
            with archive.open(f"d/{k}.xyz", "w", force_zip64=True) as file:
                file.write(b"%d" % k)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)  # the directory's end is written in 64 bits, too
    archive = zipfile.ZipFile(memory, "a")
    archive.writestr("d/0.xyz", "0")
    archive.close()
    assert b"PK\6\6" in memory.getvalue()
    (part,) = zips.numbered(write(tmp_path / "m.zip", memory.getvalue()), ".xyz")
    assert zips.read(part) == ([b"0", b"1", b"2", b"3"], [f"d/{k}.xyz" for k in range(4)])


def test_the_directory_of_many_files(tmp_path):
    numbers = np.random.default_rng(0).permutation(7_000)
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for k in numbers:
            archive.writestr(zipfile.ZipInfo(f"x/{k}.xyz"), b"%d" % k)
    parts = list(zips.numbered(write(tmp_path / "m.zip", memory.getvalue()), ".xyz", 3_000))
    assert [len(p) for p in parts] == [3_000, 3_000, 1_000]
    assert zips.read(parts[2])[0] == [b"%d" % k for k in range(6_000, 7_000)]


def test_a_damaged_member_is_one_loss(tmp_path):
    content = bytearray(zipped({"1.xyz": b"abc" * 100, "2.xyz": b"def" * 100}, zipfile.ZIP_STORED))
    content[content.index(b"defdef")] ^= 1
    (part,) = zips.numbered(write(tmp_path / "m.zip", bytes(content)), ".xyz")
    assert zips.read(part)[0] == [b"abc" * 100, None]


def test_numbers_in_names(tmp_path):
    with pytest.raises(ValueError, match=r"two files with the number 7"):
        list(zips.numbered(write(tmp_path / "a.zip", zipped({"a/7.xyz": b"", "b/07.xyz": b""})), ".xyz"))
    with pytest.raises(ValueError, match=r"'a/x7\.xyz', expected files named by numbers"):
        list(zips.numbered(write(tmp_path / "b.zip", zipped({"a/x7.xyz": b""})), ".xyz"))


@pytest.mark.parametrize("name", ["../../etc/1.xyz", "/etc/1.xyz", "a/../../1.xyz", "C:/1.xyz", "..\\1.xyz"])
def test_names_that_lead_outside_are_refused(tmp_path, name):
    entry = tarfile.TarInfo(name)
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        archive.addfile(entry)
    path = write(tmp_path / "m.tar", memory.getvalue())
    with pytest.raises(ValueError, match="outside its own folder"):
        of_tar(path)
    with pytest.raises(ValueError, match="outside its own folder"):
        list(member(path, "1.xyz"))
    path = write(tmp_path / "m.zip", zipped({name: b""}))
    with pytest.raises(ValueError, match="outside its own folder"):
        zips.read(zips.directory(path))
    with pytest.raises(ValueError, match="outside its own folder"):
        list(member(path, "1.xyz"))


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    for module in (zips, tars):
        monkeypatch.setattr(module, "LARGEST", 1000)
    bomb = {"1.xyz": b"0" * 100_000}
    with pytest.raises(ValueError, match="100000 bytes, more than a molecule"):
        zips.read(next(zips.numbered(write(tmp_path / "m.zip", zipped(bomb)), ".xyz")))
    with pytest.raises(ValueError, match="100000 bytes, more than a molecule"):
        of_tar(write(tmp_path / "m.tar.gz", tar(bomb)))


def test_truncated_and_damaged_archives_are_named(tmp_path):
    packed, plain = tar(FILES), tar(FILES, "w")
    for content, words in ((packed[: len(packed) // 2], "truncated"), (b"\x1f\x8bnonsense", "damaged")):
        with pytest.raises(ValueError, match=rf"m\.tar\.gz is {words}"):
            of_tar(write(tmp_path / "m.tar.gz", content))
        with pytest.raises(ValueError, match=rf"m\.tar\.gz is {words}"):
            list(member(tmp_path / "m.tar.gz", "none"))
    with pytest.raises(ValueError, match="truncated"):
        of_tar(write(tmp_path / "m.tar", plain[:2000]))
    with pytest.raises(ValueError, match="checksum"):
        of_tar(write(tmp_path / "n.tar", plain[:512].replace(b"a/1", b"a/2") + plain[512:]))
    with pytest.raises(ValueError, match=r"m\.zip is truncated"):
        zips.directory(write(tmp_path / "m.zip", zipped(FILES)[:-30]))
    with pytest.raises(ValueError, match=r"m\.zip is damaged"):
        list(member(tmp_path / "m.zip", "1.xyz"))
    for start in (b"\xff\xff\xff\xff", b"\0\0\0\0"):  # a directory that says it is elsewhere, or huge
        content = bytearray(zipped(FILES))
        content[-6:-2] = content[-10:-6] = start
        with pytest.raises(ValueError, match=r"m\.zip is damaged"):
            zips.directory(write(tmp_path / "m.zip", bytes(content)))
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 255
    with pytest.raises(ValueError, match="damaged"):
        list(opened(write(tmp_path / "n.gz", bytes(flipped))))


def test_one_large_member(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "PIECE", 1000)
    content = np.random.default_rng(0).bytes(12_345)
    for name, packed in (
        ("m.tar.gz", tar({"x": b"", "d/big": content})),
        ("m.zip", zipped({"x": b"", "d/big": content})),
    ):
        pieces = list(member(write(tmp_path / name, packed), "big"))
        assert b"".join(pieces) == content
        assert max(map(len, pieces)) <= 1000
        with pytest.raises(ValueError, match="holds no file named none"):
            list(member(tmp_path / name, "none"))


def test_gzip_files_one_after_the_other(tmp_path):
    path = write(tmp_path / "m.gz", gzip.compress(b"one") + gzip.compress(b"two") + b"\0" * 10)
    assert b"".join(opened(path)) == b"onetwo"
    assert list(opened(write(tmp_path / "e.gz", gzip.compress(b"")))) == []

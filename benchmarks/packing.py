"""Molecules packed in a second, from a synthetic SD file in a tar archive and from a zip of xyz files. Linux only."""

import gzip
import multiprocessing
import os
import tarfile
import tempfile
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import psutil

from benchmarks.report import save, table


DISTINCT = 5_000  # molecules; repeated until there are enough
PROCESSES = 2
SAMPLED = 0.02  # s between looks at memory and processor time
COLUMNS = {
    "format": "format",
    "molecules": "molecules",
    "atoms": "atoms each",
    "wall_rate": "molecules/s, wall",
    "wall_s": "wall s",
    "cpu_s": "CPU s",
    "cpu_rate": "molecules / CPU s x 2",
    "read_s": "plain read s",
    "ratio": "CPU / read",
    "peak_MB": "peak MB, all processes",
    "load": "load of the machine",
}


def records(path: str, count: int) -> tuple[list[bytes], list[bytes]]:
    """SD records, with every atom bound to the next, and xyz files of the first molecules of a packed set."""
    from ase.data import chemical_symbols

    from lib.data.molecules import load

    molecules, sd, xyz = load(Path(path)), [], []
    for a, b in zip(molecules.offsets[:count], molecules.offsets[1 : count + 1]):
        symbols = [chemical_symbols[n] for n in molecules.z[a:b]]
        rows = molecules.pos[a:b].tolist()
        atoms = [f"{x:10.4f}{y:10.4f}{z:10.4f} {s:<3}" + " 0" + "  0" * 11 for s, (x, y, z) in zip(symbols, rows)]
        bonds = [f"{k:3d}{k + 1:3d}  1  0" for k in range(1, b - a)]
        head = ["", "     synthetic", "", f"{b - a:3d}{b - a - 1:3d}  0  0  0  0  0  0  0  0999 V2000"]
        sd.append("\n".join([*head, *atoms, *bonds, "M  END", "$$$$", ""]).encode())
        lines = [f"{s:<2} {x:14.8f} {y:14.8f} {z:14.8f}" for s, (x, y, z) in zip(symbols, rows)]
        xyz.append("\n".join([str(b - a), "", *lines, ""]).encode())
    return sd, xyz


def write_tar(path: Path, files: list[bytes], count: int) -> None:
    """A tar.gz of one SD file with `count` records; gzip members follow each other, so that each is packed once."""
    blocks, rest = divmod(count, len(files))
    whole, part = b"".join(files), b"".join(files[:rest])
    entry = tarfile.TarInfo("molecules.sdf")
    entry.size = blocks * len(whole) + len(part)
    packed = gzip.compress(whole, 6)
    with path.open("wb") as file:
        file.write(gzip.compress(entry.tobuf(tarfile.GNU_FORMAT)))
        for _ in range(blocks):
            file.write(packed)
        file.write(gzip.compress(part + b"\0" * (-entry.size % 512 + 1024)))


def write_zip(path: Path, files: list[bytes], count: int) -> None:
    """A zip of `count` xyz files in folders of 10,000, in a shuffled order."""
    order = np.random.default_rng(0).permutation(count)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for k in order.tolist():
            archive.writestr(f"xyz/{k // 10_000:04d}/{k}.xyz", files[k % len(files)])


def read_tar(path: Path) -> int:
    """Unpack all bytes and forget them."""
    from lib.data.sources.stream import opened

    return sum(len(piece) for piece in opened(path))


def read_zip(path: Path) -> int:
    """Unpack all files, in the order in which they lie, and forget them."""
    total = 0
    with path.open("rb") as file:
        data = file.read()
    at = 0
    while data[at : at + 4] == b"PK\3\4":
        packed = int.from_bytes(data[at + 18 : at + 22], "little")
        first = at + 30 + int.from_bytes(data[at + 26 : at + 28], "little") + data[at + 28] + 256 * data[at + 29]
        total += len(zlib.decompress(data[first : first + packed], -15))
        at = first + packed
    return total


def pack_one(kind: str, path: Path, target: Path, count: int, pipe) -> None:
    """Pack, in a process of its own; sends when it starts (all is imported and compiled) and what came out."""
    from lib.data.sources import sdf, xyz, zips
    from lib.data.sources.pack import pack
    from lib.data.sources.stream import member

    work = {"sdf": lambda: sdf.pieces(member(path, "molecules.sdf")), "xyz": lambda: zips.numbered(path, ".xyz")}
    parse = {"sdf": sdf.parse, "xyz": xyz.parse_zip}[kind]
    same = lambda spool: np.zeros(spool.molecules)  # noqa: E731
    pack(work[kind](), parse, target / "warm" / "m.h5", split=same, limit=100, workers=PROCESSES - 1)
    pipe.send("start")
    pipe.recv()
    start = time.perf_counter()
    report = pack(work[kind](), parse, target / "m.h5", split=same, expected=count, workers=PROCESSES - 1)
    pipe.send((time.perf_counter() - start, report.packed, report.atoms))
    pipe.recv()


def watched(kind: str, path: Path, target: Path, count: int) -> dict:
    """Pack in fresh processes, and watch their memory (summed: shared pages count more than once) and CPU time."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=pack_one, args=(kind, path, target, count, theirs))
    process.start()
    ours.recv()
    root, used, peak = psutil.Process(process.pid), {}, 0

    def look() -> int:
        memory = 0
        for each in [root, *root.children(recursive=True)]:
            try:
                times = each.cpu_times()
                used[each.pid] = times.user + times.system
                memory += each.memory_info().rss
            except psutil.Error:  # it has just ended
                continue
        return memory

    look()
    before = sum(used.values())
    ours.send("go")
    while not ours.poll(SAMPLED):
        peak = max(peak, look())
    peak = max(peak, look())
    wall, packed, atoms = ours.recv()
    ours.send("end")
    process.join()
    return {"wall_s": wall, "cpu_s": sum(used.values()) - before, "peak_MB": peak / 2**20, "packed": packed, "a": atoms}


def main(arguments, own) -> None:
    """Both formats, in turn with a plain reading of the same bytes."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="packing-") as folder:
        folder = Path(folder)
        sd, xyz = records(arguments.data, DISTINCT)
        sources = {
            "sdf": (folder / "m.tar.gz", write_tar, sd, read_tar),
            "xyz": (folder / "m.zip", write_zip, xyz, read_zip),
        }
        for kind, (path, write, files, read) in sources.items():
            write(path, files, arguments.molecules)
            start = time.process_time()
            read(path)
            plain = time.process_time() - start
            found = watched(kind, path, folder / kind, arguments.molecules)
            count = found["packed"]
            rows.append(
                {
                    "format": {"sdf": "SD file in tar.gz", "xyz": "xyz files in zip"}[kind],
                    "molecules": count,
                    "atoms": found["a"] / count,
                    "wall_rate": count / found["wall_s"],
                    "cpu_rate": 2 * count / found["cpu_s"],
                    "read_s": plain,
                    "ratio": found["cpu_s"] / plain,
                    "load": os.getloadavg()[0],
                }
                | {key: found[key] for key in ("wall_s", "cpu_s", "peak_MB")}
            )
            path.unlink()
            print(table(rows[-1:], COLUMNS, header=len(rows) == 1), flush=True)
    save(arguments.out, "packing", rows)

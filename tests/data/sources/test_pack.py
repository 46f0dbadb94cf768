import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest
from data.sources.miniature import molecules, sd_file, xyz_file, zipped

from lib.data.loader import Loader
from lib.data.mapped import open_mapped
from lib.data.molecules import load
from lib.data.sources import sdf, xyz, zips
from lib.data.sources.pack import in_order, pack
from lib.data.splits import by_parent
from lib.paths import ROOT


MADE = molecules(200)
BROKEN = sd_file(MADE[:1]).replace(b" C ", b" Q ")
DATA = sd_file(MADE[:50]) + BROKEN + sd_file(MADE[50:150]) + BROKEN + sd_file(MADE[150:])


def pieces(size):
    return sdf.pieces(DATA[k : k + size] for k in range(0, len(DATA), size))


def label(records):
    """What a set adds: numbers that depend on the place alone."""
    names = np.array([f"M{k % 40}" for k in records.position], object)
    targets = {"gap_eV": records.position / 7, "homo_eV": -1e4 - records.position / 3}
    return replace(records, id=records.position, parent=records.position % 40, smiles=names, molecule=targets)


def split(spool):
    return by_parent(spool.column("parent"), (0.2, 0.1), 3)


def run(path, size=10**6, **how):
    how = {"finish": label, "split": split, "workers": 0} | how
    return pack(pieces(size), sdf.parse, path / "molecules.h5", **how)


def test_everything_is_where_it_belongs(tmp_path):
    report = run(tmp_path, expected=202)
    packed = load(tmp_path / "molecules.h5")
    np.testing.assert_array_equal(packed.z, np.concatenate([m.z for m in MADE]))
    np.testing.assert_array_equal(packed.pos, np.concatenate([m.pos for m in MADE]).astype(np.float32))
    place = np.delete(np.arange(202), [50, 151])
    assert packed.smiles.tolist() == [f"M{k % 40}" for k in place]
    np.testing.assert_array_equal(packed.molecule["homo_eV"], -1e4 - place / 3)  # not rounded to float32
    assert (report.seen, report.packed, report.failed, report.excluded) == (202, 200, 2, 0)
    assert report.first == ["record 50 (): unknown element", "record 151 (): unknown element"]
    assert report.words() == "200 of 202 molecules packed; left out: 2 unknown element"
    with h5py.File(tmp_path / "molecules.h5") as file:
        np.testing.assert_array_equal(file["id"], place)


def test_the_file_is_mapped_where_it_lies(tmp_path):
    run(tmp_path)
    mapped = open_mapped(tmp_path / "molecules.h5", tmp_path / "scratch")
    assert mapped.pos.filename.name == "molecules.h5"
    assert not (tmp_path / "scratch").exists()
    whole = load(tmp_path / "molecules.h5")
    np.testing.assert_array_equal(mapped.pos, whole.pos)
    chosen = mapped.of_split("train")
    (batch,) = Loader(mapped, chosen, len(chosen), resident=False).in_order()
    np.testing.assert_array_equal(batch.molecule["gap_eV"], whole.molecule["gap_eV"][chosen].astype(np.float32))


@pytest.mark.parametrize("seed", range(4))
def test_bytes_do_not_depend_on_pieces_and_processes(tmp_path, seed):
    random = np.random.default_rng(seed)
    reports = [run(tmp_path / "one")]
    reports += [run(tmp_path / "two", int(random.integers(1000, 60_000)), workers=int(random.integers(0, 3)))]
    one, two = ((tmp_path / name / "molecules.h5").read_bytes() for name in ("one", "two"))
    assert one == two
    assert reports[0] == reports[1]


@pytest.mark.parametrize("at_once", [1, 7, 64])
def test_numbered_files_come_in_their_order(tmp_path, at_once):
    order = np.random.default_rng(0).permutation(40)
    (tmp_path / "m.zip").write_bytes(zipped({f"d{k % 3}/{k}.xyz": xyz_file(MADE[k].z, MADE[k].pos) for k in order}))
    work = zips.numbered(tmp_path / "m.zip", ".xyz", at_once)
    same = lambda spool: np.zeros(spool.molecules)  # noqa: E731
    pack(work, xyz.parse_zip, tmp_path / "p" / "molecules.h5", split=same, workers=0)
    packed = load(tmp_path / "p" / "molecules.h5")
    np.testing.assert_array_equal(packed.z, np.concatenate([m.z for m in MADE[:40]]))


@pytest.mark.parametrize("limit", [30, 50, 51, 52, 120])
def test_a_limit_counts_what_is_seen(tmp_path, limit):
    report = run(tmp_path, 20_000, limit=limit, expected=202)
    assert report.seen == limit
    assert report.packed == limit - (limit > 50)
    whole = label(sdf.parse(DATA))
    np.testing.assert_array_equal(load(tmp_path / "molecules.h5").z, whole.z[: report.atoms])


def nothing_left(folder):
    return [p for p in folder.rglob("*") if p.is_file()] == []


def test_a_wrong_number_of_molecules_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds 202 molecules, expected 203"):
        run(tmp_path, expected=203)
    assert nothing_left(tmp_path)


def test_too_many_failures_are_refused(tmp_path):
    bad = DATA.replace(b" C ", b" Q ", DATA.count(b" C ") // 10)
    for expected in (None, 202):
        with pytest.raises(ValueError, match=r"not the expected format: .* unknown element; first \['record 0 "):
            pack([bad], sdf.parse, tmp_path / "molecules.h5", expected=expected, split=split, finish=label, workers=0)
    assert nothing_left(tmp_path)


def test_an_id_that_comes_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="1 ids come more than once, the first 7"):
        run(tmp_path, finish=lambda r: replace(label(r), id=np.where(r.position == 9, 7, r.position)))
    assert nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("factor", "words"), [(0.1, "nm|closer than 0.3"), (1.8897, "look like bohr"), (5, "the unit")]
)
def test_other_units_of_length_are_refused(tmp_path, factor, words):
    files = {f"{k}.xyz": xyz_file(m.z, m.pos * factor) for k, m in enumerate(MADE[:40])}
    (tmp_path / "m.zip").write_bytes(zipped(files))
    target = tmp_path / "p" / "molecules.h5"
    with pytest.raises(ValueError, match=words):
        pack(zips.numbered(tmp_path / "m.zip", ".xyz"), xyz.parse_zip, target, split=split, workers=0)
    assert nothing_left(tmp_path / "p")


def fail_at_three(item):
    if item == 3:
        raise ValueError("number three is broken")
    return item


def test_an_error_in_a_worker_comes_back():
    found = in_order(fail_at_three, [5, 1, 4, 3, 2], 2)
    assert [next(found) for _ in range(3)] == [5, 1, 4]
    with pytest.raises(ValueError, match="number three is broken"):
        next(found)


def test_at_most_a_few_pieces_are_waiting():
    drawn = []
    work = (drawn.append(k) or k for k in range(50))
    for k, _ in enumerate(in_order(abs, work, 1)):
        assert len(drawn) <= k + 1 + 2


ENDLESS = """
import itertools, sys, time
from pathlib import Path
import numpy as np
from lib.data.sources import sdf
from lib.data.sources.pack import pack
data = Path(sys.argv[1]).read_bytes()
pack(itertools.repeat(data), sdf.parse, Path(sys.argv[2]) / "molecules.h5", workers=1)
"""


def test_killed_packing_leaves_no_set_and_no_process(tmp_path):
    (tmp_path / "m.sdf").write_bytes(DATA)
    call = [sys.executable, "-c", ENDLESS, str(tmp_path / "m.sdf"), str(tmp_path / "p")]
    process = subprocess.Popen(call, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
    spool = tmp_path / "p" / "molecules.spool" / "z"
    while not (spool.exists() and spool.stat().st_size > 10**5):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    group_gone = time.monotonic() + 10
    while time.monotonic() < group_gone:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("its workers are still there")
    assert not (tmp_path / "p" / "molecules.h5").exists()
    run(tmp_path / "p")  # what was left does no harm
    assert [p.name for p in (tmp_path / "p").iterdir()] == ["molecules.h5"]

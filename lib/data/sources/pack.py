"""Pack a source of any size: pieces are parsed by all cores, kept in order, and written as they come.

What is packed does not depend on the number of processes nor on the size of the pieces. At no time are there more
pieces in memory than processes + 2.
"""

import itertools
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread

import numpy as np
from tqdm import tqdm

from lib.data.sources.records import Records
from lib.data.sources.spool import Spool
from lib.data.sources.units import check_bonds


FIRST = 20  # failures that the report names
TOLERATED = 0.01  # share of molecules that may fail; more means that the format is not the expected one
FEW = 10  # failures that are tolerated in any case


@dataclass
class Report:
    """What came of a source: molecules seen, packed and left out, with reasons and the first names."""

    seen: int = 0
    packed: int = 0
    atoms: int = 0
    reasons: Counter = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)

    def add(self, records: Records) -> None:
        """Count one piece."""
        self.reasons.update(reason for _, _, reason in records.failed)
        room = FIRST - len(self.first)
        self.first += [f"record {at} ({name}): {why}" for at, name, why in records.failed[: max(room, 0)]]
        self.seen += records.seen
        self.packed += len(records)
        self.atoms += len(records.z)

    @property
    def failed(self) -> int:
        """Molecules left out."""
        return sum(self.reasons.values())

    @property
    def excluded(self) -> int:
        """Molecules that parse and are left out on purpose, as the set's authors ask."""
        return self.seen - self.packed - self.failed

    def words(self) -> str:
        """One line for the reader."""
        why = [f"{self.excluded:,} excluded on purpose"] if self.excluded else []
        why += [f"{count:,} {reason}" for reason, count in self.reasons.most_common()]
        return f"{self.packed:,} of {self.seen:,} molecules packed" + (f"; left out: {'; '.join(why)}" if why else "")


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _end_with_parent() -> None:
    """Let this process end when the one that started it is gone, even killed."""
    waiting = lambda: (parent_process().join(), os._exit(1))  # noqa: E731
    Thread(target=waiting, daemon=True).start()


def in_order(parse: Callable, work: Iterable, workers: int) -> Iterator[Records]:
    """parse(item) for each item of `work`, in its order, on `workers` processes (0: in this one)."""
    if workers == 0:
        yield from map(parse, work)
        return
    work, context = iter(work), get_context("forkserver")
    context.set_forkserver_preload(["lib.data.sources.xyz", "lib.data.sources.sdf"])  # imported once, then shared
    with ProcessPoolExecutor(workers, context, _end_with_parent) as pool:
        coming = deque(pool.submit(parse, item) for item in itertools.islice(work, workers + 1))
        try:
            while coming:
                yield coming.popleft().result()
                coming.extend(pool.submit(parse, item) for item in itertools.islice(work, 1))
        finally:
            for job in coming:
                job.cancel()


def pack(
    work: Iterable,
    parse: Callable,
    path: Path,
    *,
    finish: Callable[[Records], Records] = lambda records: records,
    split: Callable[[Spool], np.ndarray] | None = None,
    expected: int | None = None,
    limit: int | None = None,
    workers: int | None = None,
    check: Callable[[Records], None] = lambda records: None,
) -> Report:
    """Pack every molecule of `work` into the file `path`.

    work: picklable pieces of the source, in its order; parse(piece) reads one, in another process. finish(records):
    adds what only this process has, labels for example; pieces come in order. split(spool) -> (n,) uint8; without it
    the records bring their own. expected: molecules in the whole source. limit: only so many. check(records) looks
    at the first piece with molecules and raises ValueError for wrong units.

    Raises ValueError, and leaves nothing behind, if the source does not hold what was expected, if more than 1 % of its
    molecules fail, or if an id comes twice.
    """
    path, report = Path(path), Report()
    path.parent.mkdir(parents=True, exist_ok=True)
    workers = cores() if workers is None else workers
    total = min(x for x in (expected, limit, float("inf")) if x is not None)
    bar = tqdm(total=None if total == float("inf") else total, desc=path.parent.name, unit=" molecules", mininterval=1)
    checked = False
    with Spool(path.with_suffix(".spool")) as spool, bar, closing(in_order(parse, work, workers)) as pieces:
        for records in pieces:
            if limit is not None:
                records = records.head(limit - report.seen)
            records = finish(records.after(report.seen))
            if len(records) and not checked:
                check_bonds(records, str(path.parent.name))
                check(records)
                checked = True
            report.add(records)
            if expected is not None:  # no need to read on
                _tolerable(report, expected, path)
            if len(records):
                spool.add(records)
            bar.update(records.seen)
            if limit is not None and report.seen >= limit:
                break
        if expected is not None and (limit is None or limit > expected) and report.seen != expected:
            raise ValueError(f"{path.parent.name}: the source holds {report.seen:,} molecules, expected {expected:,}")
        _tolerable(report, report.seen, path)
        if not report.packed:
            raise ValueError(f"{path.parent.name}: the source holds no molecule")
        _unique(spool.column("id"), path.parent.name)
        spool.finish(path, spool.column("split") if split is None else split(spool))
    return report


def _tolerable(report: Report, total: int, path: Path) -> None:
    if report.failed > max(FEW, TOLERATED * total):
        raise ValueError(f"{path.parent.name}: not the expected format: {report.words()}; first {report.first[:3]}")


def _unique(ids: np.ndarray | None, name: str) -> None:
    if ids is None:
        return
    ids.sort()
    if len(twice := ids[1:][ids[1:] == ids[:-1]]):
        raise ValueError(f"{name}: {len(twice)} ids come more than once, the first {twice[0]}; the source is damaged")

"""Fetch and pack a public set: `python -m lib.data.sources qm9`; without a name, list those of molecules."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lib.data.sources import public_sets
from lib.data.sources.source import Source, build, free_gb
from lib.data.systems import PUBLIC


def other_sets() -> dict[str, Callable[[Path], Path]]:
    """Sets of proteins and trajectories by name: what fetches one into a folder below the given one."""
    from lib.data.sources import homologytape, mdshare

    proteins = {"homologytape": partial(homologytape.build, "hdf5")}
    return proteins | {name: partial(mdshare.download, name) for name in mdshare.TOPOLOGY}


def listing(sets: dict[str, Source], folder: Path) -> str:
    """A table of the sets: name, content, GB to fetch and to keep, licence."""
    rows = [("set", "content", "download GB", "disk GB", "licence")]
    rows += [(s.name, s.about, s.download, s.disk, s.licence) for s in sets.values()]
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, f"{folder} has {free_gb(folder):.0f} GB left"])


def main(words: list[str] | None = None, sets: dict[str, Source] | None = None) -> None:
    """Command line."""
    sets = public_sets() if sets is None else sets
    parser = argparse.ArgumentParser(prog="python -m lib.data.sources", description=__doc__)
    others = other_sets()
    parser.add_argument("set", nargs="*", help=f"any of {', '.join([*sets, *others])}")
    parser.add_argument("--folder", type=Path, default=PUBLIC, help="where files and packed sets go")
    parser.add_argument("--limit", type=int, help="pack only the first molecules (xxmd: of each file), to try")
    parser.add_argument("--workers", type=int, help="processes that parse; as many as cores if not given")
    given = parser.parse_args(words)
    if unknown := [name for name in given.set if name not in sets | others]:
        raise SystemExit(f"no set is named {', '.join(unknown)}; there are {', '.join([*sets, *others])}")
    for name, value, least in (("--limit", given.limit, 1), ("--workers", given.workers, 0)):
        if value is not None and value < least:
            raise SystemExit(f"{name} is {value}, expected at least {least}")
    if not given.set:
        print(listing(sets, given.folder))
    for name in given.set:
        try:
            if name in others:
                print(others[name](given.folder))
                continue
            reports = build(sets[name], given.folder, given.limit, given.workers)
        except ValueError as error:
            raise SystemExit(str(error)) from error
        for place, report in reports.items():
            print(f"{place / 'molecules.h5'}: {report.words()}")
            for line in report.first:
                print(f"  {line}")


if __name__ == "__main__":
    main()

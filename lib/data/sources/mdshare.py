"""Alanine dipeptide and a pentapeptide from mdshare: `python -m lib.data.sources.mdshare [set ...]`.

The trajectories that P1 names; CC BY 4.0, to be cited as github.com/markovmodel/mdshare says. Sizes (bytes) and md5 are
those of its catalogue, commit 177b849.
"""

import argparse
import sys
from pathlib import Path

from lib.data.sources.fetch import fetch
from lib.data.systems import PUBLIC


URL = "http://ftp.imp.fu-berlin.de/pub/cmb-data/"
TOPOLOGY = {  # set -> file, bytes, md5
    "mdshare-ala2": ("alanine-dipeptide-nowater.pdb", 1813, "728635667ed4937cf4a0e5b7c801d9ea"),
    "mdshare-pentapeptide": ("pentapeptide-impl-solv.pdb", 7501, "c52f482024e0ec7dcd64f2b925b53c2b"),
}
NAME = {
    "mdshare-ala2": "alanine-dipeptide-{}-250ns-nowater.xtc",
    "mdshare-pentapeptide": "pentapeptide-{:02d}-500ns-impl-solv.xtc",
}
TRAJECTORIES = {  # bytes, md5; the number in the file's name is the place here
    "mdshare-ala2": (
        (42909936, "e82ba584d8e64491f30bd1d9dd019687"),
        (42911308, "96b7686aa28a459d51a0d77c2dd0316e"),
        (42907500, "6d3a8d9aecb3aa0e0a1ea9b195b7dfe0"),
    ),
    "mdshare-pentapeptide": (
        (2221296, "16967d0bb09d24dc66de4d4885f953a4"),
        (2221268, "9db9b87ecafb2d5eb0085adc01b97680"),
        (2221392, "5ec89b72fa1e48c3a5e1b1ec707f66fb"),
        (2221596, "726208c33f9c9ce0eb2688e5788b8d57"),
        (2221604, "934d06ed03744c8cada2123a2cfd6fbf"),
        (2221020, "395f614244f3d484db8d4a50f35252fd"),
        (2221088, "3a94a06657b5bd7cadf6c3767fc4ca18"),
        (2221376, "82c633ed92112bf62bb7070f4393ac2a"),
        (2220668, "c2f49e03f4c8ef6c8315d844d5d1be0e"),
        (2221668, "ea74fa65dcb80a086a15c34a907495f3"),
        (2221300, "7b374e2402a37f139817be3137e6509e"),
        (2221672, "0fe84f969978a492fe26dbb3bd39c6ee"),
        (2221012, "8ddaaf213a4b4d34e92cbfbf6f3daad5"),
        (2222168, "21ced9d0791a4330c2714a408c6b7b63"),
        (2221316, "ecd2213ac5de68ef0fc37e9723269d34"),
        (2221780, "f41d2a6e283d3b43fdf14aa3e95eff03"),
        (2221404, "30c8f0805bfa248934714bfb663c4196"),
        (2221296, "82c52922cb585962a0b1cab70cc32645"),
        (2220924, "6906793b17978370a59025b6c2080ae1"),
        (2220900, "4f7948b2f6a5515666b495a1054326c4"),
        (2221344, "f4f3c376e90826d3dd43bcdf08910863"),
        (2221000, "e5d2467545d04778d6005c2c904e6df3"),
        (2220708, "b2cdf3759057ef1a9ccbf9ab41044efa"),
        (2221592, "1169c0f9efd028155519fa9bf2a85971"),
        (2220908, "8d016a9ea6a5b63843fca58b82b4573c"),
    ),
}


def files(name: str) -> list[tuple[str, str, int, str]]:
    """Name at mdshare, name here, bytes and md5 of each file of a set; ValueError for an unknown set."""
    if name not in TOPOLOGY:
        raise ValueError(f"mdshare has no set {name!r} here, expected one of {', '.join(TOPOLOGY)}")
    remote, size, md5 = TOPOLOGY[name]
    rows = [(remote, "topology.pdb", size, md5)]
    for i, (size, md5) in enumerate(TRAJECTORIES[name]):
        rows.append((NAME[name].format(i), f"trajectory-{i:02d}.xtc", size, md5))
    return rows


def download(name: str, root: Path = PUBLIC, url: str = URL) -> Path:
    """root/<name> with topology.pdb and trajectory-*.xtc, as `load_system` reads it; goes on where it was cut.

    Raises ValueError for an unknown set, or a file that has not the size or md5 of the catalogue.
    """
    for remote, local, size, md5 in files(name):
        fetch(url + remote, root / name / local, size=size, md5=md5)
    return root / name


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib.data.sources.mdshare", description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", default=list(TOPOLOGY), help=f"of {', '.join(TOPOLOGY)}; all if none")
    try:
        for name in parser.parse_args(arguments).sets:
            print(download(name))
    except (ValueError, OSError) as error:
        print(f"python -m lib.data.sources.mdshare: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

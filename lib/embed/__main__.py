"""Tokens of any trajectory that mdtraj reads, in one HDF5 file that says where they come from.

    python -m lib.embed --encoder equilibrium --topology top.pdb --trajectory a.xtc b.xtc --out tokens.h5 --workers 2
    torchrun --nproc-per-node 8 -m lib.embed --encoder equilibrium --topology top.pdb --trajectory a.xtc --out tokens.h5

Dataset trajectory-<i> holds trajectory i: (frame, token, 4, H), or (frame, token, feature) with --invariant. After a
kill the same command goes on where it stopped, with any number of processes. On several machines each reads the
trajectories and the first one writes.
"""

import argparse
import sys
from pathlib import Path

from lib import distributed
from lib.embed.job import Job, run, run_in_processes
from lib.models.readout import KINDS


def parse(arguments: list[str] | None) -> dict:
    """The options, checked for what can be checked without the files."""
    parser = argparse.ArgumentParser(
        prog="python -m lib.embed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--encoder", required=True, help="run under artifacts/checkpoints, its folder, or a published .pth file")
    add("--topology", required=True, type=Path, help="file that names the atoms, such as a PDB")
    add("--trajectory", required=True, type=Path, nargs="+", help="one dataset of the output each")
    add("--out", required=True, type=Path, help="HDF5 file to be made")
    add("--selection", default="all", help='"all", "heavy", or atoms in mdtraj\'s language')
    add("--tokens", default="residue", choices=KINDS, help="what the atoms are summed over")
    add("--invariant", action="store_true", help="store only what does not change under rotation")
    add("--stride", default=1, type=positive, help="every n-th frame")
    add("--dtype", default="float32", choices=("float16", "float32"), help="of the stored tokens")
    add("--neighbors", default="all", help="all, nearest-<n> or index-<n>")
    add("--batch", type=positive, help="atoms in a batch; 1500 on a CPU, 20000 on a GPU")
    add("--workers", default=1, type=positive, help="processes on this machine, one core each")
    return vars(parser.parse_args(arguments))


def positive(word: str) -> int:
    """A whole number of at least 1."""
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word} is not a whole number of at least 1")
    return int(word)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    workers, job = options.pop("workers"), Job(**options)
    try:
        run_in_processes(job, workers) if workers > 1 else run(job)
    except (ValueError, OSError) as error:
        print(f"python -m lib.embed: {error}", file=sys.stderr)
        return 2
    distributed.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Compare with the libraries that the encoders come from: `python -m benchmarks`, or a part of it by name."""

import argparse
import importlib

from benchmarks import peers, systems
from benchmarks.timing import workers
from lib.paths import DATA, SCRATCH


WHAT = {
    "embedding": "frames embedded in a second, ours and the peer's, by system",
    "training": "molecules trained on in a second, loader included",
    "loader": "molecules loaded in a second, ours and PyG's DataLoader",
    "memory": "largest memory while embedding a batch, above that of one frame",
    "gemm": "matrix products a second on one core as a share of the machine's: those that torch does for us (compiled "
    "loops are not counted), and those that the peer does for the same result",
    "packing": "molecules packed in a second by two processes, from synthetic archives like those of the public sets; "
    "the wall depends on what else runs, molecules / CPU s x 2 is the estimate for two idle cores",
    "vampnet": "an epoch of a VAMPnet on tokens, ours and deeptime's with the same lobe, single-threaded",
    "cost": "a VAMPnet on frozen tokens and one that trains the encoder with it, single-threaded",
    "merging": "equivariant attention over many tokens, fused or not, merged or not, single-threaded",
}


def parser() -> argparse.ArgumentParser:
    """Command line."""
    main = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    main.add_argument("what", nargs="*", choices=WHAT, help="; ".join(f"{name}: {text}" for name, text in WHAT.items()))
    main.add_argument("--architecture", nargs="+", choices=peers.PEERS, default=list(peers.PEERS))
    main.add_argument("--system", nargs="+", choices=systems.SYSTEMS, default=list(systems.SYSTEMS))
    main.add_argument("--device", default="cpu", help="cpu or cuda")
    main.add_argument("--seconds", type=float, default=1.0, help="length of one measurement")
    main.add_argument("--rounds", type=int, default=7, help="measurements of each side, taken in turn")
    main.add_argument("--layers", type=int, default=6)
    main.add_argument("--hidden", type=int, default=64)
    main.add_argument("--rbf", type=int, default=64)
    main.add_argument("--largest", type=int, default=24_000, help="atoms in our largest batch: embedding")
    main.add_argument("--batch", type=int, default=100, help="molecules or frames in a batch: training, loader, memory")
    main.add_argument("--molecules", type=int, default=500_000, help="in the synthetic archives: packing")
    main.add_argument("--frames", type=int, default=100_000, help="frames of an epoch: vampnet")
    main.add_argument("--quick", action="store_true", help="the smallest size only: cost, merging")
    main.add_argument("--data", default=str(DATA / "mini-equilibrium" / "molecules.h5"), help="packed molecules")
    main.add_argument("--out", default=str(SCRATCH / "benchmarks"), help="folder for the results")
    return main


def main(words: list[str] | None = None) -> None:
    arguments = parser().parse_args(words)
    arguments.sizes = tuple((name, getattr(arguments, name)) for name in ("layers", "hidden", "rbf"))
    with workers() as own:
        for what in arguments.what or WHAT:
            importlib.import_module(f"benchmarks.{what}").main(arguments, own)


if __name__ == "__main__":
    main()

"""Residue windows encoded in a second, and what HomologyTAPE's training set takes: `python -m benchmarks.windows`."""

import argparse
import time
from pathlib import Path

import numpy as np

from lib.data.domains import load
from lib.folds.windows import PAPER_WINDOWS, Windows, atoms_of, encode
from lib.models import load_encoder
from lib.paths import DATA
from lib.threads import single_thread


def main(words: list[str] | None = None) -> None:
    """Print rates by processor time of one thread, for windows with and without hydrogens, and the hours."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.windows", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA / "mini-folds" / "domains.h5", help="packed domains")
    parser.add_argument("--encoder", default="equilibrium", help="checkpoint, by name or path")
    parser.add_argument("--half", type=int, default=2, help="residues on each side")
    parser.add_argument("--windows", type=int, default=600, help="windows in one measurement")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(words)
    encoder, domains, windows = load_encoder(given.encoder), load(given.data), Windows(given.half)
    chosen = np.arange(min(given.windows, len(domains.kind)))
    atoms = len(atoms_of(domains, windows, chosen)[0]) / len(chosen)
    rates = []
    with single_thread():
        encode(encoder, domains, windows, chosen[:50])  # compiles
        for _ in range(given.rounds):
            begun = time.process_time()
            encode(encoder, domains, windows, chosen)
            rates.append(len(chosen) / (time.process_time() - begun))
    middle = float(np.median(rates))
    print(
        f"{middle:.0f} windows a second of one thread ({min(rates):.0f} to {max(rates):.0f} in {len(rates)} rounds), "
        f"{atoms:.0f} atoms in each; {PAPER_WINDOWS:,} windows take {PAPER_WINDOWS / middle / 3600:.1f} core hours and "
        f"{PAPER_WINDOWS * 4 * encoder.config.hidden / 1e9:.2f} GB in float16"
    )


if __name__ == "__main__":
    main()

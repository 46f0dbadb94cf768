"""Equivariant attention over many tokens: fused or with all its weights kept, merged or not; processor time."""

from statistics import median

from benchmarks import spent
from benchmarks.report import save, table
from lib.measure.merging import ATTENTION, training_pass


TOKENS = (256, 1024, 3168)  # 3168: the largest of P3's figure
WINDOWS = (1, 8)  # at the largest number of tokens
WIDTH, DEPTH = 32, 1


def once(tokens: int, window: int, attention: str, backward: bool):
    """A function that takes one frame forwards, or forwards and backwards."""
    return training_pass(tokens, window, attention, width=WIDTH, depth=DEPTH, backward=backward)


COLUMNS = {
    "tokens": "tokens",
    "window": "window",
    "attention": "attention",
    "forward": "forward, frames a processor s",
    "training": "training, frames a processor s",
}


def main(arguments, own) -> None:
    """All sizes without merging, then the largest with it."""
    rows, largest = [], TOKENS[0] if arguments.quick else TOKENS[-1]
    sizes = [(n, 1) for n in TOKENS if n <= largest] + [(largest, w) for w in WINDOWS[1:]]
    for tokens, window in sizes:
        found = {}
        for backward in (False, True):
            jobs = {kind: (once, (tokens, window, kind, backward)) for kind in ATTENTION}
            found[backward] = spent.seconds(own, jobs, arguments.seconds, arguments.rounds)
        for kind in ATTENTION:
            rates = {backward: [1 / s for s in times[kind]] for backward, times in found.items()}
            rows.append(
                {
                    "tokens": tokens,
                    "window": window,
                    "attention": kind,
                    "forward_rates": rates[False],
                    "training_rates": rates[True],
                    "forward": median(rates[False]),
                    "training": median(rates[True]),
                }
            )
            print(table(rows[-1:], COLUMNS, header=len(rows) == 1), flush=True)
    save(arguments.out, "merging", rows)

"""Processor time of single-threaded work, in turn: other processes on the machine lengthen a wall clock, not this."""

import time
from collections.abc import Callable

import torch

from benchmarks.timing import Job, Mode, Workers


def clock(make: Callable, arguments: tuple, length: float) -> Callable[[], float]:
    """A function that works for about `length` s and returns the processor time, s, of one call of make(*arguments)."""
    torch.set_num_threads(1)
    run = make(*arguments)
    if length:
        run()

    def measured() -> float:
        calls, start = 0, time.process_time()
        while (elapsed := time.process_time() - start) < length or not calls:
            run()
            calls += 1
        return elapsed / calls

    return measured


def seconds(
    own: Workers, jobs: dict[str, tuple[Callable, tuple]], length: float, rounds: int
) -> dict[str, list[float]]:
    """Processor seconds of one call of each job (make, arguments), `rounds` times, the jobs in turn.

    length: of one measurement, s; 0 for a single call that nothing warms up.
    """
    made = {name: Job(clock, (*job, length), Mode(1, 1)) for name, job in jobs.items()}
    found = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in made.items():
            found[name].append(own.value(job))
    return found

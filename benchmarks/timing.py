"""Rates of two candidates, measured in turn, so that a change of the machine's load hits both."""

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass


KEPT = 4  # jobs that stay prepared: those of a duel
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count()))


@dataclass(frozen=True)
class Mode:
    """How a candidate uses the machine: so many processes, each with so many threads."""

    processes: int
    threads: int

    def __str__(self) -> str:
        return f"{self.processes}x{self.threads}"


ONE_A_CORE = Mode(len(CORES), 1)
MODES = list(dict.fromkeys([ONE_A_CORE, Mode(1, len(CORES))]))


@dataclass(frozen=True)
class Job:
    """make(*arguments) gives a function that works once and returns how many units it has done."""

    make: Callable
    arguments: tuple
    mode: Mode


class Workers:
    """Processes that wait for jobs, one a core; a job stays prepared in the process that has run it."""

    def __init__(self, count: int = len(CORES)):
        context = multiprocessing.get_context("spawn")
        self.pipes, self.processes = [], []
        for core in CORES[:count]:
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, core))
            process.start()
            self.pipes.append(ours)
            self.processes.append(process)

    def rate(self, job: Job, seconds: float | None) -> float:
        """Units per second of one job, run for about `seconds` in every process of its mode at once."""
        pipes = self.pipes[: job.mode.processes]
        for pipe in pipes:
            pipe.send((job, seconds))
        _answers(pipes)  # prepared and warmed up
        for pipe in pipes:
            pipe.send("start")
        return sum(_answers(pipes))

    def value(self, job: Job) -> float:
        """What the first call of a job returns, in the first process."""
        return self.rate(job, None)

    def close(self) -> None:
        for pipe, process in zip(self.pipes, self.processes):
            pipe.send(None)
            process.join()


@contextmanager
def workers(count: int = len(CORES)):
    """Worker processes that end with the block."""
    own = Workers(count)
    try:
        yield own
    finally:
        own.close()


def _answers(pipes) -> list:
    answers = [pipe.recv() for pipe in pipes]
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def _next(pipe):
    try:
        return pipe.recv()
    except EOFError:  # the process that asks is gone
        return None


def _serve(pipe, core: int) -> None:
    import torch

    prepared = {}
    while (request := _next(pipe)) is not None:
        job, seconds = request
        try:
            if hasattr(os, "sched_setaffinity"):  # two single-threaded processes may else share a core
                os.sched_setaffinity(0, {core} if job.mode.processes > 1 else CORES)
            torch.set_num_threads(job.mode.threads)
            if job not in prepared:
                prepared = {job: job.make(*job.arguments)} | dict(list(prepared.items())[: KEPT - 1])
                if seconds is not None:
                    prepared[job]()
            pipe.send("ready")
            pipe.recv()
            units, start = 0, time.perf_counter()
            if seconds is None:
                pipe.send(prepared[job]())
                continue
            while (elapsed := time.perf_counter() - start) < seconds or not units:
                units += prepared[job]()
            pipe.send(units / elapsed)
        except Exception as error:
            pipe.send(error)


def climb(own: Workers, jobs: list[Job], seconds: float) -> tuple[list[Job], dict[Job, float]]:
    """The fastest job of every mode and the rates of those tried, each the better of two measurements.

    A climb along the jobs of one mode ends where the rate has twice in a row fallen well below the best.
    """
    rates, tops = {}, []
    for mode in dict.fromkeys(job.mode for job in jobs):
        own_jobs, falls = [job for job in jobs if job.mode == mode], 0
        top = own_jobs[0]
        for job in own_jobs:
            rates[job] = max(own.rate(job, seconds) for _ in range(2))
            top = max(top, job, key=rates.get)
            falls = falls + 1 if rates[job] < 0.6 * rates[top] else 0
            if falls == 2:
                break
        tops.append(top)
    return tops, rates


@dataclass(frozen=True)
class Duel:
    """The faster job of each side with its median rate, and the ratios ours / peer of the single rounds."""

    jobs: dict[str, Job]
    rates: dict[str, float]
    ratios: list[float]

    def row(self) -> dict:
        """Numbers for a table: both rates, and median, smallest and largest ratio."""
        ratio = {"ratio": statistics.median(self.ratios), "low": min(self.ratios), "high": max(self.ratios)}
        return self.rates | ratio | {f"{side}_mode": str(job.mode) for side, job in self.jobs.items()}


def duel(own: Workers, jobs: dict[str, list[Job]], seconds: float, rounds: int) -> Duel:
    """Measure all jobs of the sides "ours" and "peer" in turn, `rounds` times."""
    everyone = list(dict.fromkeys(job for side in jobs.values() for job in side))
    rates = {job: [] for job in everyone}
    for number in range(rounds):
        for job in everyone[:: 1 if number % 2 else -1]:
            rates[job].append(own.rate(job, seconds))
    medians = {job: statistics.median(values) for job, values in rates.items()}
    first = {side: max(mine, key=medians.get) for side, mine in jobs.items()}
    ratios = [a / b for a, b in zip(rates[first["ours"]], rates[first["peer"]])]
    return Duel(first, {side: medians[job] for side, job in first.items()}, ratios)

"""Threads: one worker process a core, each with one torch thread, is faster here than many threads in one process."""

from contextlib import contextmanager

import torch


@contextmanager
def single_thread():
    """One torch thread, so that a result does not depend on how many the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

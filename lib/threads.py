"""Threads: one worker process a core, each with one torch thread, is faster here than many threads in one process."""

import warnings
from contextlib import contextmanager

import torch


# joblib starts a worker that has grown anew, as it should, and warns of it at a moment that differs from run to run.
warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given to the executor")


@contextmanager
def single_thread():
    """One torch thread, so that a result does not depend on how many the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

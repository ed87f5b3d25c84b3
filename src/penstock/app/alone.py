"""Linear algebra on one thread, for processes beside which others are busy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

THREADS = "OPENBLAS_NUM_THREADS"


@contextmanager
def alone() -> Iterator[bool]:
    """Whatever loads numpy in the block, here or in a process that is started, multiplies on one thread.

    Threads that share so short a product cost more processor time than it does. Gives whether the variable
    is ours, and not already set: then a process that was started has to delete it, so that steps, which are
    run by other processes, compute as they do outside of a simulation.
    """
    ours = THREADS not in os.environ
    if ours:
        os.environ[THREADS] = "1"  # it is read once, when numpy is loaded
    try:
        yield ours
    finally:
        if ours:
            del os.environ[THREADS]

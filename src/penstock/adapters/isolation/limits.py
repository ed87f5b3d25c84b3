"""What a program of a project may use of this machine; it protects from mistakes rather than from malice."""

from __future__ import annotations

import os

_GB = 1024**3


def limits(seconds: float) -> dict[str, int]:
    """The limits of a program that may take so many seconds, by their name in `resource` (RLIMIT_...).

    CPU is in seconds of each process, over all its threads; DATA (private memory) and FSIZE (the size of
    one file) in bytes; NPROC counts all processes and threads of the user, and binds nobody who is root.
    No memory of a crash is written (CORE), as it would hold what was in it.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    processors = os.cpu_count() or 1
    return {
        "CORE": 0,
        "CPU": int(seconds * processors) + 1,
        "DATA": memory,
        "FSIZE": 16 * _GB,
        "NOFILE": 4096,
        "NPROC": 8192,
    }

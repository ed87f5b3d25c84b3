"""What this machine has for steps, and who lives on it."""

from __future__ import annotations

import os
from pathlib import Path

from penstock.runs.room import Room


def machine_room(own_cpus: float = 0, own_gpus: float = 0, own_memory: float = 0) -> Room:
    """The CPUs that this process may use, its NVIDIA GPUs and all memory of the machine.

    What is given and not 0 stands in place of what is found.
    """
    return Room(
        cpus=own_cpus or cpus(),
        gpus=own_gpus or sum(1 for device in Path("/dev").glob("nvidia*") if device.name[6:].isdigit()),
        memory=own_memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )


def ended(owner: str) -> bool:
    """Whether `host:pid:…`, by which a process holds its claims, names one of this machine that has ended.

    This process's own number counts as ended: whoever had it before does. Of a number that somebody else
    has by now nothing is known, and the lease decides.
    """
    host, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if host != os.uname().nodename or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return int(pid) == os.getpid()


def cpus() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

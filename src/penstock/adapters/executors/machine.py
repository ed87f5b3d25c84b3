"""What this machine has for steps."""

from __future__ import annotations

import os
from pathlib import Path

from penstock.runs.room import Room


def machine_room() -> Room:
    """The CPUs that this process may use, all memory of the machine, and its NVIDIA GPUs."""
    return Room(
        cpus=cpus(),
        gpus=sum(1 for device in Path("/dev").glob("nvidia*") if device.name[6:].isdigit()),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )


def cpus() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

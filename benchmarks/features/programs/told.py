"""What every program of this benchmark tells: how long its work took, and the most memory that it held."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def tell(work: Callable[[], Any], **more: float) -> Any:
    """Do the work and print seconds and megabytes as JSON; gives what came of it."""
    started = time.perf_counter()
    made = work()
    took = time.perf_counter() - started
    print(json.dumps({"seconds": took, "peak": peak(), **more}))
    return made


def peak() -> float:
    """The most memory that this process has held, in megabytes; what it has mapped counts as well.

    Of no use where steps run in this process: each begins to measure anew, for all that ask the system.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3

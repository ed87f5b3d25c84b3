"""How a step says that it wants to be run."""

from __future__ import annotations

import re

from penstock.core.durations import duration
from penstock.core.errors import InvalidPipeline
from penstock.pipelines.types import Options

_SIZES = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def options(*, retries: int, timeout: str, cache: bool, cpus: float, memory: str, gpus: float) -> Options:
    """Options in the units of `Options`: seconds and bytes. Raises InvalidValue or InvalidPipeline."""
    for name, amount in (("retries", retries), ("cpus", cpus), ("gpus", gpus)):
        if amount < 0:
            raise InvalidPipeline(what=f"A step's `{name}` cannot be negative", found=str(amount))
    return Options(
        retries=retries,
        timeout=duration(timeout).total_seconds() if timeout else 0.0,
        cache=cache,
        cpus=float(cpus),
        gpus=float(gpus),
        memory=_bytes(memory) if memory else 0,
    )


def _bytes(text: str) -> int:
    size = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]B)", text)
    if not size:
        raise InvalidPipeline(
            what="A step's `memory` is not a size",
            expected='a size such as "500MB" or "2GB"',
            found=repr(text),
        )
    return int(float(size[1]) * _SIZES[size[2]])

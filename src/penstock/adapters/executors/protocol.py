"""What a pool and its worker processes say to each other."""

from __future__ import annotations

import msgspec

from penstock.pipelines.types import Graph
from penstock.runs.types import Outcome, Task

PIPE = 1 << 16
"""The bytes that a pipe holds before anybody reads."""


class Do(msgspec.Struct, frozen=True, tag="do"):
    """Execute a task; `tell` asks to be told when it begins."""

    task: Task
    tell: bool = True


class Draw(msgspec.Struct, frozen=True, tag="draw"):
    """Draw a pipeline."""

    target: str


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The worker is up and waits for work."""


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """The code of a task is imported and begins: its limits count from here."""


class Done(msgspec.Struct, frozen=True, tag="done"):
    """What became of a task."""

    outcome: Outcome


class Drawn(msgspec.Struct, frozen=True, tag="drawn"):
    """A drawn pipeline, or the parts of the error that says why it cannot be drawn."""

    graph: Graph | None = None
    error: dict[str, str] = {}


class Stale(msgspec.Struct, frozen=True, tag="stale"):
    """The worker has imported code that was changed since: a new one must do the work."""


class Said(msgspec.Struct, frozen=True, tag="said"):
    """Lines of the log of a task, from a worker that cannot write them there itself."""

    lines: bytes


Request = Do | Draw
Answer = Ready | Begun | Done | Drawn | Stale | Said

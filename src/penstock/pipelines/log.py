"""What a step says about itself while it runs: `from penstock import log`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec

from penstock.pipelines.metrics import finite


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One logged thing. `step` is the caller's own count, such as an epoch."""

    kind: Literal["metric", "param", "text"]
    name: str
    value: str | float
    step: int = 0


Sink = Callable[[Entry], None]


class Log:
    """Gives entries to the sink that the worker attached; without one they go nowhere."""

    def __init__(self) -> None:
        self._sink: Sink | None = None

    def metric(self, name: str, value: float, step: int = 0) -> None:
        """Log a number. Raises InvalidValue when it is not finite."""
        self._write(Entry(kind="metric", name=name, value=finite(name, value), step=step))

    def param(self, name: str, value: object) -> None:
        """Log a setting, as text."""
        self._write(Entry(kind="param", name=name, value=str(value)))

    def text(self, name: str, text: str) -> None:
        """Log a text under a name."""
        self._write(Entry(kind="text", name=name, value=text))

    @contextmanager
    def to(self, sink: Sink) -> Iterator[None]:
        """Send what is logged to `sink`, from every thread, until the block ends."""
        before, self._sink = self._sink, sink
        try:
            yield
        finally:
            self._sink = before

    def _write(self, entry: Entry) -> None:
        if self._sink is not None:
            self._sink(entry)


log = Log()
"""The log of whatever step this process is running."""

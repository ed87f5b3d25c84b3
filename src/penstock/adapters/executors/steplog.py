"""The log of a step: JSON lines that can be read while it runs."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import msgspec

from penstock.pipelines.log import Entry


class StepLog:
    """Appends lines `{"time", "stream", "text"}` to the file of a step run, whole and at once.

    `stream` is `stdout`, `stderr`, `metric`, `param`, `text`, or `penstock` for what the executor says.
    Metrics and parameters also have their `name`, `value` and, where it counts, `step`.
    """

    def __init__(self, folder: Path, step_run: str) -> None:
        run, _, step = step_run.partition("/")
        path = folder / run / f"{step}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._encoder = msgspec.json.Encoder()
        self.measured: list[tuple[str, float, int]] = []

    def write(self, stream: str, text: str, **more: Any) -> None:
        """Append one line of the log for each line of the text."""
        now = datetime.now(UTC)
        lines = [{"time": now, "stream": stream, "text": line, **more} for line in text.splitlines()]
        self._file.write(b"".join(self._encoder.encode(line) + b"\n" for line in lines))

    def entry(self, entry: Entry) -> None:
        """Append what a step logged by itself; metrics are also kept in `measured`."""
        if isinstance(entry.value, float):
            self.measured.append((entry.name, entry.value, entry.step))
        more = {"name": entry.name, "value": entry.value, "step": entry.step}
        self.write(entry.kind, f"{entry.name} = {entry.value}", **more)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class Streams:
    """Takes over `sys.stdout` and `sys.stderr` of this process for good.

    What is printed goes to the log of the step that runs, line by line, also through handlers that kept
    a stream from an earlier step; between steps it goes to the process's own standard error.
    """

    def __init__(self) -> None:
        self._lines = {name: _Lines(name) for name in ("stdout", "stderr")}
        sys.stdout, sys.stderr = (_text(lines) for lines in self._lines.values())

    @contextmanager
    def to(self, log: StepLog) -> Iterator[None]:
        """Send what is printed to a log until the block ends."""
        for lines in self._lines.values():
            lines.log = log
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for lines in self._lines.values():
                lines.finish()
                lines.log = None


class _Lines(io.RawIOBase):
    """A byte stream whose whole lines go to a log; its file descriptor is the process's own."""

    def __init__(self, stream: str) -> None:
        self.log: StepLog | None = None
        self._stream = stream
        self._rest = b""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1 if self._stream == "stdout" else 2

    def write(self, data: Any) -> int:
        if self.log is None:
            return os.write(2, data)
        *lines, self._rest = (self._rest + bytes(data)).split(b"\n")
        if lines:
            self.log.write(self._stream, b"\n".join(lines).decode(errors="replace"))
        return len(data)

    def finish(self) -> None:
        """Write the line that was begun, if there is one."""
        if self._rest:
            self.write(b"\n")


def _text(lines: _Lines) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(lines), encoding="utf-8", errors="replace", line_buffering=True)

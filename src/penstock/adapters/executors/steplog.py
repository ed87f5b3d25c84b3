"""The log of a step: JSON lines that can be read while it runs."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import IO, Any, Self

import msgspec

from penstock.pipelines.log import Entry

MASK = "***"
_encode = msgspec.json.Encoder().encode
_HIDDEN = 4
"""Characters of the shortest line of a secret that is hidden by itself."""


class StepLog:
    """Appends lines `{"time", "stream", "text"}` to the file of a step run, whole and at once.

    `stream` is `stdout`, `stderr`, `warning`, `metric`, `param`, `text`, `figure`, `file`, or `penstock` for
    what the executor says. A line is handed to the system before the step goes on, so that it is there
    whatever becomes of the process; the file is made with the first. Metrics and parameters also have their
    `name`, `value` and, where it counts, `index`; figures and files their `name` and `digest`.
    """

    def __init__(
        self,
        folder: Path,
        step_run: str,
        hidden: Iterable[str] = (),
        send: Callable[[bytes], object] | None = None,
    ) -> None:
        """`hidden` are texts that are never written, whoever prints them; `send` takes the lines instead."""
        lines = {line for text in hidden for line in (text, *text.splitlines()) if len(line) >= _HIDDEN}
        self._hidden = sorted(lines, key=len, reverse=True)
        self._place = folder, step_run
        self._file: IO[bytes] | None = None
        self._opening = Lock()
        self._send = send or self._append
        self.measured: list[tuple[str, float, int]] = []

    def write(self, stream: str, text: str, **more: Any) -> None:
        """Append one line of the log for each line of the text."""
        now = datetime.now(UTC)
        more = {name: self.masked(value) if isinstance(value, str) else value for name, value in more.items()}
        lines = [
            {"time": now, "stream": stream, "text": line, **more} for line in self.masked(text).splitlines()
        ]
        if lines:
            self._send(b"".join(_encode(line) + b"\n" for line in lines))

    def take(self, lines: bytes) -> None:
        """Append whole lines of another log; what is hidden here is hidden in them as well."""
        if self._hidden:
            lines = b"".join(_encode(self._covered(line)) + b"\n" for line in lines.splitlines())
        self._send(lines)

    def _covered(self, line: bytes) -> dict[str, Any]:
        told = _decoded(line)
        return {name: self.masked(value) if isinstance(value, str) else value for name, value in told.items()}

    def masked(self, text: str) -> str:
        """A text with everything hidden in it replaced by stars."""
        for hidden in self._hidden:
            text = text.replace(hidden, MASK)
        return text

    def entry(self, entry: Entry) -> None:
        """Append what a step logged by itself; metrics are also kept in `measured`."""
        if isinstance(entry.value, float):
            self.measured.append((entry.name, entry.value, entry.step))
        more = {"name": entry.name, "value": entry.value, "index": entry.step}
        self.write(entry.kind, f"{entry.name} = {entry.value}", **more)

    def _append(self, lines: bytes) -> None:
        with self._opening:  # a step's threads print too
            file = self._file = self._file or _opened(log_file(*self._place))
        file.write(lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()


def _opened(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("ab", buffering=0)
    with path.open("rb") as written:
        if written.seek(0, os.SEEK_END) and (written.seek(-1, os.SEEK_END), written.read())[1] != b"\n":
            file.write(b"\n")  # a writer that was killed may have left half a line
    return file


def log_file(folder: Path, step_run: str) -> Path:
    """Where the log of a step run lies."""
    run, _, step = step_run.partition("/")
    return folder / run / f"{step}.jsonl"


def read_lines(
    folder: Path, step_run: str, after: int = 0, limit: int = 0
) -> tuple[list[dict[str, Any]], int]:
    """The whole lines of a log from the offset `after`, at most `limit`, and the offset that follows them.

    What is half a line stays for the next time; a line that was torn by a kill is given as it is.
    """
    lines: list[dict[str, Any]] = []
    try:
        with log_file(folder, step_run).open("rb") as written:
            written.seek(after)
            while (not limit or len(lines) < limit) and (line := written.readline()).endswith(b"\n"):
                lines.append(_decoded(line))
                after += len(line)
    except FileNotFoundError:
        pass
    return lines, after


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return {"time": None, "stream": "penstock", "text": line.decode(errors="replace").rstrip("\n")}


@contextmanager
def warnings_to(log: StepLog) -> Iterator[None]:
    """Send Python's warnings to a log until the block ends, each place's once for each step."""

    def show(message: Any, category: type[Warning], filename: str, lineno: int, *_: Any) -> None:
        log.write("warning", f"{category.__name__}: {message} ({filename}, line {lineno})")

    with warnings.catch_warnings():
        vars(warnings)["showwarning"] = show
        yield


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

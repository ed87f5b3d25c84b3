"""What a step says about itself while it runs: `from penstock import log`."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from penstock.core.errors import InvalidValue
from penstock.lineage.attachments import check_path
from penstock.pipelines.metrics import finite


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One logged thing. `step` is the caller's own count, such as an epoch.

    A figure has its bytes in `data` and their media type as its `value`; the `value` of a file is where it is
    to be read, or empty where its bytes are in `data`.
    """

    kind: Literal["metric", "param", "text", "figure", "file"]
    name: str
    value: str | float
    step: int = 0
    data: bytes = b""


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

    def figure(self, name: str, figure: Any) -> None:
        """Keep a picture with the step run: a Matplotlib figure, PNG or SVG as bytes or text, or their file.

        Raises InvalidValue for anything else.
        """
        data = picture(figure)
        self._write(Entry(kind="figure", name=name, value=_media(name, data), data=data))

    def file(self, name: str, file: bytes | Path) -> None:
        """Keep a file with the step run, under a name that may be a path: its bytes, or where it is.

        Raises InvalidValue for a name that leads elsewhere.
        """
        check_path(name)
        if isinstance(file, bytes):
            self._write(Entry(kind="file", name=name, value="", data=file))
        else:
            self._write(Entry(kind="file", name=name, value=str(file)))

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


def picture(figure: Any) -> bytes:
    """The bytes of a picture. Raises InvalidValue for what is none."""
    if isinstance(figure, bytes | bytearray):
        return bytes(figure)
    if isinstance(figure, str):
        return figure.encode()
    if isinstance(figure, Path):
        return figure.read_bytes()
    if callable(getattr(figure, "savefig", None)):
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        return buffer.getvalue()
    raise InvalidValue(expected=_PICTURES, found=f"a {type(figure).__name__}")


def _media(name: str, data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.lstrip().startswith((b"<svg", b"<?xml")) and b"<svg" in data:
        return "image/svg+xml"
    raise InvalidValue(expected=_PICTURES, found=f"other bytes for {name}")


_PICTURES = "a Matplotlib figure, PNG or SVG"

log = Log()
"""The log of whatever step this process is running."""

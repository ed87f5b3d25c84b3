"""Whole messages over a pipe: four bytes that say how long one is, and the message."""

from __future__ import annotations

import os
import select
import time
from typing import IO, Any

_LENGTH = 4


def write_frame(pipe: IO[bytes] | Any, message: bytes) -> None:
    """Write a whole message. Raises BrokenPipeError when nobody is there."""
    data = memoryview(len(message).to_bytes(_LENGTH, "big") + message)
    while data:
        data = data[os.write(pipe.fileno(), data) :]


def read_frame(pipe: IO[bytes] | Any, patience: float | None) -> bytes:
    """The next whole message, within so many seconds where that is said.

    Raises EOFError when the other side is gone, and TimeoutError.
    """
    until = None if patience is None else time.monotonic() + patience
    length = int.from_bytes(_exactly(pipe.fileno(), _LENGTH, until), "big")
    return _exactly(pipe.fileno(), length, until)


def _exactly(file: int, size: int, until: float | None) -> bytes:
    found = bytearray()
    while len(found) < size:
        if until is not None and not select.select([file], [], [], max(0.0, until - time.monotonic()))[0]:
            raise TimeoutError("there was no answer in time")
        piece = os.read(file, size - len(found))
        if not piece:
            raise EOFError("it is gone")
        found += piece
    return bytes(found)

"""Whole messages between two processes: msgpack over pipes, each after its length."""

from __future__ import annotations

import os
import select
import threading
from typing import Generic, TypeVar

import msgspec

from penstock.core.eager import Eager

_LENGTH = 4
_CHUNK = 1 << 16
Message = TypeVar("Message")


class Channel(Generic[Message]):
    """Whole messages over two file descriptors; `incoming` is the union of what may be received."""

    def __init__(self, inlet: int, outlet: int, incoming: object, eager: Eager | None = None) -> None:
        """With `eager`, it is what waits for messages that may take any time."""
        self._inlet = inlet
        self._outlet = outlet
        self._buffer = bytearray()
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(incoming)
        self._writing = threading.Lock()  # what a step's threads print may be said from each of them
        self._poll = select.poll()
        self._poll.register(inlet, select.POLLIN)
        self._eager = eager

    def send(self, message: object) -> None:
        """Send a message. Raises BrokenPipeError when nobody is there."""
        self.write(self.packed(message))

    def packed(self, message: object) -> bytes:
        """A message as it is sent."""
        body = self._encoder.encode(message)
        return len(body).to_bytes(_LENGTH, "big") + body

    def write(self, packed: bytes) -> None:
        """Send a packed message; waits for the other side to read what is more than a pipe holds."""
        data = memoryview(packed)
        with self._writing:
            while data:
                data = data[os.write(self._outlet, data) :]

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next message; None when it is not there within `timeout` seconds.

        Raises EOFError when the other side is gone.
        """
        while (message := self._whole()) is None:
            if timeout is not None and not self._poll.poll(timeout * 1000):
                return None
            if timeout is None and self._eager:
                self._eager.poll(self._poll)
            data = os.read(self._inlet, _CHUNK)
            if not data:
                raise EOFError
            self._buffer += data
        return message

    def _whole(self) -> Message | None:
        end = _LENGTH + int.from_bytes(self._buffer[:_LENGTH], "big")
        if len(self._buffer) < end or len(self._buffer) < _LENGTH:
            return None
        message: Message = self._decoder.decode(memoryview(self._buffer)[_LENGTH:end])
        del self._buffer[:end]
        return message

"""A load test of the prediction service, as a process: `python -m penstock.adapters.predictor.load`.

Requests are due at a steady rate, whatever the answers take (an open loop), and each is timed from when it
was due: a service that stalls is not excused by requests that nobody could send meanwhile (Tene's
"coordinated omission"). It reads a `Spec` as JSON and prints a `LoadReport`.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import httptools
import msgspec
import numpy as np
import uvloop

from penstock.serving.types import LoadReport

PATIENCE = 10.0
"""Seconds that a last answer is waited for."""
MOST_CONNECTIONS = 256
_SLICE = 0.001


class Spec(msgspec.Struct, frozen=True):
    """What to ask, where, how often and for how long; `headers` go with every request."""

    url: str
    path: str
    headers: dict[str, str]
    requests: list[str]
    rate: float
    seconds: float


class Connection(asyncio.Protocol):
    """A connection that has one request under way at a time."""

    def __init__(self, test: Test) -> None:
        self._test = test
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._due = 0.0
        self._asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes, due: float) -> None:
        """Send a request that was due at a moment of `perf_counter`."""
        self._due, self._asked = due, True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._body += body

    def on_message_complete(self) -> None:
        """See httptools."""
        status, body = self._parser.get_status_code(), self._body
        self._parser = httptools.HttpResponseParser(self)
        self._body, self._asked = b"", False
        self._test.answered(self, self._due, "" if status == 200 else f"{status}: {body[:200].decode()}")

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if self._asked:
            self._test.answered(None, self._due, f"the connection was lost: {exc or 'closed'}")

    def close(self) -> None:
        """Let go."""
        self._asked = False
        self._transport.close()


class Test:
    """One load test."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        place = urlsplit(spec.url)
        self._host, self._port = place.hostname or "127.0.0.1", place.port or 80
        self._texts = [_request(spec, body.encode()) for body in spec.requests]
        self._free: deque[Connection] = deque()
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._connections = 0
        self._times: list[float] = []
        self._why: list[str] = []
        self._all_answered = asyncio.Event()

    async def run(self) -> LoadReport:
        """Ask as often as was said. Raises OSError where nobody listens."""
        for _ in range(min(MOST_CONNECTIONS, max(1, round(self._spec.rate / 50)))):
            await self._connect()
        count = max(1, round(self._spec.rate * self._spec.seconds))
        began, sent = perf_counter(), 0  # the loop knows whole milliseconds only
        while sent < count:
            while sent < count and (due := began + sent / self._spec.rate) <= perf_counter():
                self._send(self._texts[sent % len(self._texts)], due)
                sent += 1
            await asyncio.sleep(_SLICE)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._until(count), PATIENCE)
        took = perf_counter() - began
        missing = count - len(self._times)
        for connection in self._free:
            connection.close()
        return _report(self._times + [PATIENCE] * missing, len(self._why) + missing, self._why, took)

    def answered(self, connection: Connection | None, due: float, why: str) -> None:
        """Take in an answer; empty `why` says that it was one."""
        self._times.append(perf_counter() - due)
        if why:
            self._why.append(why)
        if connection is None:
            self._connections -= 1
        elif self._waiting:
            connection.ask(*self._waiting.popleft())
        else:
            self._free.append(connection)
        self._all_answered.set()

    def _send(self, text: bytes, due: float) -> None:
        if self._free:
            self._free.popleft().ask(text, due)
            return
        self._waiting.append((text, due))
        if self._connections < MOST_CONNECTIONS:
            asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        self._connections += 1
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self), self._host, self._port)
        if self._waiting:
            connection.ask(*self._waiting.popleft())
        else:
            self._free.append(connection)

    async def _until(self, count: int) -> None:
        while len(self._times) < count:
            self._all_answered.clear()
            await self._all_answered.wait()


def _request(spec: Spec, body: bytes) -> bytes:
    fixed = {"host": urlsplit(spec.url).netloc, "content-type": "application/json", **spec.headers}
    lines = [f"POST {spec.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fixed.items())]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def _report(times: Sequence[float], errors: int, why: Sequence[str], took: float) -> LoadReport:
    p50, p95, p99 = (float(value) for value in np.quantile(times, [0.5, 0.95, 0.99]) * 1000)
    return LoadReport(
        requests=len(times),
        errors=errors,
        throughput=(len(times) - errors) / took,
        p50=p50,
        p95=p95,
        p99=p99,
        max=max(times) * 1000,
        memory_before=0,
        memory_after=0,
        why=why[0] if why else "an answer did not come" if errors else "",
    )


def main() -> int:
    """Make the load that is asked for on the standard input."""
    spec = msgspec.json.decode(sys.stdin.buffer.read(), type=Spec)
    try:
        report = uvloop.run(Test(spec).run())
    except OSError as error:
        sys.stderr.write(f"{spec.url} does not answer: {error}\n")
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())

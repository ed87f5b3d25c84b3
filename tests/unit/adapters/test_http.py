"""HTTP/1.1 as the prediction process speaks it, over real connections."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc

import pytest
import uvloop

from penstock.adapters.predictor import http
from penstock.adapters.predictor.http import Give, Reply, Request
from penstock.adapters.predictor.listener import Listener


class Echo:
    """Answers with what it was asked; `/later` in a later turn of the loop."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    def answer(self, request: Request, give: Give) -> None:
        self.asked.set()
        told = f"{request.method} {request.path} {request.query.decode()} {len(request.body)}"
        reply = Reply(200, told.encode(), b"text/plain")
        if request.path == "/later":
            asyncio.get_running_loop().call_later(0.01, give, reply)
        else:
            give(reply)


def talk(*parts: bytes, end: bool = True) -> bytes:
    """What comes back until the connection is closed, when these bytes are sent one after another."""

    async def once() -> bytes:
        listening = socket.create_server(("127.0.0.1", 0))
        listener = Listener(Echo(), [listening], lambda: None)
        await listener.begin()
        reader, writer = await asyncio.open_connection(*listening.getsockname()[:2])
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        if end:
            writer.write_eof()
        told = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await listener.end(1)
        return told

    return uvloop.run(once())


def talk_in_turns(*parts: bytes) -> bytes:
    """The same where each part comes to a connection by itself."""

    async def once() -> bytes:
        listening = socket.create_server(("127.0.0.1", 0))
        listener = Listener(Echo(), [listening], lambda: None)
        await listener.begin()
        told = bytearray()
        connection = http.Connection(Echo(), listener)
        connection.connection_made(Told(told))
        for part in parts:
            connection.data_received(part)
        await listener.end(0)
        return bytes(told)

    return uvloop.run(once())


class Told(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self, told: bytearray) -> None:
        super().__init__()
        self.write = told.extend  # type: ignore[method-assign]

    def resume_reading(self) -> None:
        """It is never paused."""

    def close(self) -> None:
        """There is nothing to close."""


def bodies(told: bytes) -> list[bytes]:
    """The bodies of answers, without their headers."""
    return [part.partition(b"\r\n\r\n")[2] for part in told.split(b"HTTP/1.1 ")[1:]]


def test_a_connection_that_stays_open_holds_no_body() -> None:
    body, told = b"." * 4_000_000, bytearray()

    async def once() -> int:
        listener = Listener(Echo(), [], lambda: None)
        connection = http.Connection(Echo(), listener)
        connection.connection_made(Told(told))
        tracemalloc.start()
        connection.data_received(b"POST /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), 250_000):
            connection.data_received(body[at : at + 250_000])
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return held

    assert uvloop.run(once()) < 250_000 < len(body)
    assert bodies(bytes(told)) == [b"POST /a  4000000"]


def test_requests_of_one_connection_are_answered_in_their_order() -> None:
    asked = b"".join(
        b"GET /%b?n=%d HTTP/1.1\r\n\r\n" % (b"later" if n % 3 else b"now", n) for n in range(100)
    )
    told = bodies(talk(asked))
    assert told == [b"GET /%b n=%d 0" % (b"later" if n % 3 else b"now", n) for n in range(100)]


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        ([b"POST /a HTTP/1.1\r\nContent-Le", b"ngth: 4\r\n\r\nab", b"cd"], b"POST /a  4"),
        (
            [b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n"],
            b"POST /a  5",
        ),
        ([b"GET http://example.org/a%20b?c HTTP/1.1\r\n\r\n"], b"GET /a b c 0"),
        ([b"GET /h2c HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"], b"GET /h2c  0"),
    ],
)
def test_requests_come_whole_in_pieces_in_chunks_and_through_proxies(sent: list[bytes], body: bytes) -> None:
    assert bodies(talk(*sent)) == [body]


def test_head_has_no_body_and_says_how_long_it_would_be() -> None:
    told = talk(b"HEAD /a HTTP/1.1\r\n\r\n")
    assert told.endswith(b"\r\n\r\n")
    assert b"content-length: 9\r\n" in told


def test_who_waits_to_be_told_to_go_on_is_told() -> None:
    head = b"POST /a HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    told = talk(head, b"ab")
    assert told.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "sent", [b"GET /a HTTP/1.0\r\n\r\n", b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n"]
)
def test_a_connection_is_closed_for_who_does_not_keep_it(sent: bytes) -> None:
    told = talk(sent + b"GET /b HTTP/1.1\r\n\r\n")
    assert bodies(told) == [b"GET /a  0"]
    assert b"connection: close" in told


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /a HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nX: " + b"x" * (http.MOST_HEAD + 1), 431),
        (b"POST /a HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
    ],
)
def test_what_is_no_request_or_too_long_is_refused_after_what_came_before(sent: bytes, status: int) -> None:
    told = talk(b"GET /before HTTP/1.1\r\n\r\n" + sent, b"more of it")
    before, refused = bodies(told)
    assert before == b"GET /before  0"
    assert b"HTTP/1.1 %d " % status in told
    assert refused.startswith(b'{"error":')


def test_chunks_that_grow_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_BYTES", 10)
    chunk = b"8\r\n12345678\r\n"
    told = talk(b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", chunk, chunk, chunk)
    assert told.startswith(b"HTTP/1.1 413 ")


def test_idle_and_half_sent_requests_do_not_keep_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "READING", -1.0)
    monkeypatch.setattr("penstock.adapters.predictor.listener.LOOK", 0.01)
    assert talk(b"GET /a HTTP/1.1\r\nHost:", end=False).startswith(b"HTTP/1.1 408 ")


def test_at_the_end_what_was_asked_is_answered_and_no_more() -> None:
    async def once() -> bytes:
        listening = socket.create_server(("127.0.0.1", 0))
        application = Echo()
        listener = Listener(application, [listening], lambda: None)
        await listener.begin()
        reader, writer = await asyncio.open_connection(*listening.getsockname()[:2])
        writer.write(b"GET /later HTTP/1.1\r\n\r\n")
        await application.asked.wait()
        await listener.end(5)
        told = await reader.read()
        writer.close()
        return told

    assert b"connection: close" in uvloop.run(once())


def test_all_connections_that_wait_are_heard_in_one_turn() -> None:
    heard: list[int] = []

    class Turns:
        """Knows in which turn of the loop it was asked."""

        def __init__(self) -> None:
            self.turn = 0
            self.all = asyncio.Event()

        def answer(self, _request: Request, give: Give) -> None:
            heard.append(self.turn)
            give(Reply(200, b""))
            if len(heard) == 20:
                self.all.set()

        def turned(self, loop: asyncio.AbstractEventLoop) -> None:
            self.turn += 1
            loop.call_soon(self.turned, loop)

    async def once() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        callers = [socket.create_connection(listening.getsockname()[:2]) for _ in range(20)]
        for each in callers:
            each.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        turns = Turns()
        listener = Listener(turns, [listening], lambda: None)
        await listener.begin()
        turns.turned(asyncio.get_running_loop())
        await asyncio.wait_for(turns.all.wait(), 10)
        for each in callers:
            each.close()
        await listener.end(1)

    uvloop.run(once())
    assert max(heard) - min(heard) <= 2


def test_a_head_that_was_read_before_is_read_the_same() -> None:
    head = b"POST /here?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
    once = b"POST /here HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
    chunked = b"POST /here HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = [head + b"abc", head + b"xyz", head + b"a", b"bc", head + b"abc" + head + b"xyz"]
    parts += [chunked + b"2\r\nab\r\n0\r\n\r\n", chunked + b"3\r\nabc\r\n0\r\n\r\n", head + b"abc"]
    for _ in range(2):
        told = talk_in_turns(*parts, once + b"abc")
        here, there = b"POST /here a=b 3", b"POST /here  3"
        assert bodies(told) == [here] * 5 + [b"POST /here  2", there, here, there]
        assert b"connection: close" in told.rpartition(b"HTTP/1.1 ")[2]

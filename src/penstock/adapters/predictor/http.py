"""HTTP/1.1 on one connection: requests read by httptools, asked of an application, answered in their order.

It is a protocol of uvloop and nothing between: at some ten microseconds for an answer every layer counts.
Clients send the same first line and headers again and again: of a request that comes alone and whole they are
not read where they have been before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol, cast
from urllib.parse import unquote

import httptools
import msgspec

from penstock.adapters.predictor.awake import Awake
from penstock.core.errors import NotFound
from penstock.serving.encode import encode_error

MOST_BYTES = 64 * 1024 * 1024
"""Of a request's body."""
MOST_HEAD = 64 * 1024
"""Of its first line and headers."""
MOST_PIPELINED = 64
"""Requests that wait behind one on the same connection before no more are read."""
READING = 60.0
"""Seconds in which a request that has begun must be there."""
LINGER = 2.0
"""Seconds for which the rest of a refused request is taken in and forgotten."""
IDLE = 75.0
"""Seconds after which a connection without requests is closed: clients pause for a training run."""
_encode = msgspec.json.Encoder().encode


class Request(msgspec.Struct, frozen=True):
    """A whole request. Names of `headers` are in lower case; `query` is what stands behind the `?`."""

    method: str
    path: str
    query: bytes = b""
    headers: Mapping[bytes, bytes] = {}
    body: bytes = b""

    def header(self, name: bytes) -> bytes:
        """The value of a header by its name in lower case, empty without it."""
        return self.headers.get(name, b"")


class Reply(msgspec.Struct, frozen=True, gc=False):
    """An answer on its way."""

    status: int
    body: bytes
    media: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


Give = Callable[[Reply], None]


def json(value: Any, status: int = 200) -> Reply:
    """An answer of JSON."""
    return Reply(status, _encode(value))


def version_number(text: str) -> int:
    """A version's number in a path. Raises NotFound."""
    if text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text):
        return int(text)
    raise NotFound(what=f"There is no version {text!r}", expected="a number from 1", found=text)


class _Head(msgspec.Struct, frozen=True):
    """The first line and headers of a request, read; what has the same bytes is the same. `request` makes one
    of a body.
    """

    request: Callable[[bytes], Request]
    length: int
    keep: bool


class Application(Protocol):
    """What answers requests."""

    def answer(self, request: Request, give: Give) -> None:
        """Give the reply to a request, now or in a later turn of the loop, once."""
        ...


class Lines(Protocol):
    """What a connection belongs to. `now` is the loop's time, a second old at most."""

    now: float
    ending: bool
    awake: Awake

    def opened(self, connection: Connection) -> bool:
        """Whether there is room for a connection."""
        ...

    def closed(self, connection: Connection) -> None:
        """A connection has ended."""
        ...


class Connection(asyncio.Protocol):
    """One connection. Its parser is told anew after an upgrade was asked for, which nobody here gives."""

    def __init__(self, application: Application, lines: Lines) -> None:
        self._application = application
        self._lines = lines
        self._awake = lines.awake
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._busy = self._turning = self._over = self._begun = self._lingers = False
        self._keep = True
        self._head = 0
        self._refusal: Reply | None = None
        self._since = lines.now
        self._url, self._headers, self._parts = b"", dict[bytes, bytes](), list[bytes]()
        self._size = self._complete = 0
        self._headed = self._kept = False

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)
        if not self._lines.opened(self):
            self._refuse(503, "There are too many connections; try again soon.", (b"retry-after", b"1"))

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._over:
            return
        if not self._awake.heard:
            self._awake.hear()
        if not self._begun and self._is_known(data):
            return
        first, self._complete = not self._begun, 0
        self._feed(data)
        if self._begun and not self._headed:
            self._head += len(data)
            if self._head > MOST_HEAD:
                self._refusal = _refusal(431, f"The headers are longer than {MOST_HEAD // 1024} KiB.")
        if self._refusal and not self._busy:
            self._end_with(self._refusal)
        elif first and self._complete == 1 and not self._begun:
            self._know(data)

    def _feed(self, data: bytes) -> None:
        """Have the parser read; it begins anew after what asked for another protocol."""
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as asked:
                self._parser = httptools.HttpRequestParser(self)
                data = data[asked.args[0] :]
                continue
            except httptools.HttpParserError as error:
                self._refusal = self._refusal or _refusal(400, f"This is not HTTP: {error}.")
            break

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`: what was asked is still answered."""
        self._keep = False
        return self._busy

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        """See `asyncio.Protocol`."""
        self._over = True
        self._waiting.clear()
        self._lines.closed(self)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`: who does not read the answers may not ask more."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._transport.resume_reading()

    # What the parser tells.

    def on_message_begin(self) -> None:
        """See httptools."""
        self._begun, self._headed, self._head, self._size = True, False, 0, 0
        self._since = self._lines.now
        self._url, self._headers, self._parts = b"", {}, []

    def on_url(self, url: bytes) -> None:
        """See httptools."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools."""
        name = name.lower()
        before = self._headers.get(name)
        self._headers[name] = value if before is None else before + b", " + value

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._headed = True
        length = self._headers.get(b"content-length")
        if length is not None and int(length) > MOST_BYTES:
            self._refusal = _TOO_LONG
        elif self._headers.get(b"expect", b"").lower() == b"100-continue" and not self._busy:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._size += len(body)
        if self._size > MOST_BYTES:
            self._refusal = _TOO_LONG
        elif not self._refusal:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        self._begun = False
        if self._refusal:
            return
        path, query = _place(self._url)
        parts, self._parts = self._parts, []  # nobody needs them once they are asked
        request = Request(
            self._parser.get_method().decode(),
            path,
            query,
            self._headers,
            parts[0] if len(parts) == 1 else b"".join(parts),
        )
        self._complete += 1
        self._kept = self._parser.should_keep_alive()
        self._put(request, self._kept)

    def _is_known(self, data: bytes) -> bool:
        """Whether this is a whole request whose head was read before; then it is taken in."""
        end = data.find(_END) + len(_END)
        known = _heads.get(data[:end])
        if known is None or known.length != len(data) - end or self._refusal:
            return False
        self._put(known.request(data[end:]), known.keep)
        return True

    def _know(self, data: bytes) -> None:
        """Remember the head of a request that came alone and whole, unless there is more to it."""
        end = data.find(_END) + len(_END)
        length = int(self._headers.get(b"content-length", b"0"))
        if length == len(data) - end and end <= _LONGEST_KNOWN and self._headers.keys().isdisjoint(_MORE):
            if len(_heads) >= _MOST_KEPT:
                _heads.clear()
            method = self._parser.get_method().decode()
            request = partial(Request, method, *_place(self._url), self._headers)
            _heads[data[:end]] = _Head(request, length, self._kept)

    def _put(self, request: Request, keep: bool) -> None:
        if self._busy or self._waiting:
            self._waiting.append((request, keep))
            if len(self._waiting) > MOST_PIPELINED:
                self._transport.pause_reading()
        else:
            self._ask(request, keep)

    # Questions and answers.

    def _ask(self, request: Request, keep: bool) -> None:
        self._busy = True
        self._keep = self._keep and keep
        if request.method == "HEAD":
            self._application.answer(
                msgspec.structs.replace(request, method="GET"), lambda reply: self._given(reply, bare=True)
            )
        else:
            self._application.answer(request, self._given)

    def _given(self, reply: Reply, *, bare: bool = False) -> None:
        self._busy = False
        self._since = self._lines.now
        if self._over:
            return
        last = not self._keep or self._lines.ending
        body = b"" if bare else reply.body
        if reply.headers or last:
            named = reply.headers + (((b"connection", b"close"),) if last else ())
            more = b"".join(b"%b: %b\r\n" % each for each in named)
        else:
            more = b""
        self._transport.write(
            b"%bcontent-length: %d\r\n%b\r\n%b"
            % (_first(reply.status, reply.media), len(reply.body), more, body)
        )
        if last:
            self._close()
        elif not self._turning and (self._waiting or self._refusal):
            self._go_on()

    def _go_on(self) -> None:
        """Ask what waits, as far as it is answered at once."""
        self._turning = True
        while self._waiting and not self._busy and not self._over:
            self._ask(*self._waiting.popleft())
        self._turning = False
        if not self._waiting:
            self._transport.resume_reading()
        if self._refusal and not self._busy and not self._over:
            self._end_with(self._refusal)

    # Ends.

    def look(self) -> None:
        """End a connection that has been idle, or in the middle of a request, for too long."""
        rest = self._lines.now - self._since
        if self._over:
            if rest > LINGER:
                self._transport.abort()
        elif self._busy:
            return
        elif self._begun and rest > READING:
            self._refuse(408, f"The request was not complete within {READING:g} seconds.")
        elif not self._begun and rest > IDLE:
            self._over = True
            self._transport.abort()  # also where answers are left unread

    def end(self) -> None:
        """Close as soon as what was asked is answered."""
        if not self._busy and not self._over:
            self._close()

    def _refuse(self, status: int, sentence: str, *headers: tuple[bytes, bytes]) -> None:
        self._end_with(_refusal(status, sentence, *headers))

    def _end_with(self, reply: Reply) -> None:
        self._keep = False
        self._waiting.clear()
        self._lingers = True
        self._given(reply)

    def _close(self) -> None:
        self._over = True
        if self._lingers and self._transport.can_write_eof():
            self._transport.write_eof()  # closing while the client still sends could take the refusal from it
        else:
            self._transport.close()


def _refusal(status: int, sentence: str, *headers: tuple[bytes, bytes]) -> Reply:
    return Reply(status, encode_error(sentence), headers=headers)


_TOO_LONG = _refusal(413, f"A request may have {MOST_BYTES // 1024**2} MiB at most. Send fewer rows.")
_places: dict[bytes, tuple[str, bytes]] = {}
_firsts: dict[tuple[int, bytes], bytes] = {}
_heads: dict[bytes, _Head] = {}
_MOST_KEPT = 1024
_END = b"\r\n\r\n"
_LONGEST_KNOWN = 2048
"""Bytes of a head that is remembered."""
_MORE = (b"transfer-encoding", b"expect", b"upgrade")
"""Headers after which a body is not simply so many bytes, or an answer is owed before it."""


def _place(url: bytes) -> tuple[str, bytes]:
    """The path of a request's target and what is behind its `?`; those of the last thousand are known."""
    found = _places.get(url)
    if found is None:
        target = url.partition(b"#")[0]
        if not target.startswith(b"/") and b"://" in target:  # as proxies are asked
            target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
        path, _, query = target.partition(b"?")
        found = unquote(path.decode("latin-1")), query
        if len(_places) >= _MOST_KEPT:
            _places.clear()
        _places[url] = found
    return found


def _first(status: int, media: bytes) -> bytes:
    """The first line of an answer and the header that names its kind."""
    found = _firsts.get((status, media))
    if found is None:
        phrase = HTTPStatus(status).phrase.encode()
        found = b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\n" % (status, phrase, media)
        _firsts[status, media] = found
    return found

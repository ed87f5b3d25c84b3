"""Requests and answers as an ASGI application sees them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

import msgspec

from penstock.core.errors import InvalidRequest, NotFound, Unavailable

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MOST_BYTES = 64 * 1024 * 1024
_encode = msgspec.json.Encoder().encode


class Reply(NamedTuple):
    """An answer on its way."""

    status: int
    body: bytes
    media: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


def json(value: Any, status: int = 200) -> Reply:
    """An answer of JSON."""
    return Reply(status, _encode(value))


def header(scope: Scope, name: bytes) -> bytes:
    """The value of a request's header by its name in lower case, empty without it."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    return next((value for key, value in headers if key == name), b"")


async def read_body(receive: Receive) -> bytes:
    """The whole body. Raises InvalidRequest when it is too long, Unavailable when the client leaves."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        if len(body) > MOST_BYTES:
            raise InvalidRequest(
                expected=f"a request of at most {MOST_BYTES // 1024**2} MiB",
                found="a longer one",
                fix="Send fewer rows.",
            )
        message = await receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise Unavailable(what="The client left before its request was complete")
    return body


def version_number(text: str) -> int:
    """A version's number in a path. Raises NotFound."""
    if text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text):
        return int(text)
    raise NotFound(what=f"There is no version {text!r}", expected="a number from 1", found=text)

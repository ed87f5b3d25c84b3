"""What is agreed with a client beside its question: how bytes are packed, and whose pages may ask."""

from __future__ import annotations

import asyncio
import gzip
import io
import zlib
from collections.abc import Callable, Iterable
from functools import lru_cache

import zstandard
from msgspec.structs import replace

from penstock.adapters.predictor.http import MOST_BYTES, Application, Give, Reply, Request
from penstock.core.errors import InvalidRequest, TooLarge, UnsupportedMedia

WORTH = 16 * 1024
"""Bytes of an answer from which on it is packed for a client that takes it so."""
LONG = 256 * 1024
"""Bytes of an answer from which on it is packed in a thread, so that nobody else waits for that."""
LEVEL = 1
_WINDOW = 8 * 1024 * 1024
"""Bytes that a packed body may ask to be remembered while it is unpacked; RFC 9659 has the same limit."""
_MORSEL = 1024
"""Bytes that are unpacked at once: a block of four stands for at most 128 KiB."""
_METHODS = b"GET, POST"
_TAKEN = b"content-encoding, content-type, inference-header-content-length, x-assignment-key"
_SHOWN = b"inference-header-content-length, retry-after"
_REMEMBERED = b"600"
"""Seconds for which a browser need not ask again whether it may ask."""


class Terms:
    """Answers by another application, to each client in its terms."""

    def __init__(self, application: Application, origins: Iterable[str] = ()) -> None:
        """`origins` are those of the pages that may ask, such as `https://app.example`; `*` is any."""
        self._application = application
        self._origins = frozenset(each.encode() for each in origins)

    def answer(self, request: Request, give: Give) -> None:
        """See `Application.answer`."""
        headers = request.headers
        if self._origins and b"origin" in headers:
            granted = self._granted(headers[b"origin"])
            if granted and request.method == "OPTIONS" and b"access-control-request-method" in headers:
                give(Reply(200, b"", headers=(*granted, *_PREFLIGHT)))
                return
            give = _with(granted, give)
        if b"accept-encoding" in headers and (coding := accepted(headers[b"accept-encoding"])):
            give = _packing(coding, give)
        self._application.answer(request, give)

    def _granted(self, origin: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """The headers by which a browser lets a page read an answer, none for one that may not."""
        if b"*" in self._origins:
            return ((b"access-control-allow-origin", b"*"), _EXPOSED)
        if origin in self._origins:
            return ((b"access-control-allow-origin", origin), _EXPOSED, (b"vary", b"origin"))
        return ()


_EXPOSED = (b"access-control-expose-headers", _SHOWN)
_PREFLIGHT = (
    (b"access-control-allow-methods", _METHODS),
    (b"access-control-allow-headers", _TAKEN),
    (b"access-control-max-age", _REMEMBERED),
)


def unpacked(request: Request) -> Request:
    """A request with its body as it was before it was packed.

    Raises UnsupportedMedia for another packing than gzip and zstd, InvalidRequest for bytes that are not
    packed so, and TooLarge for more than a request may have.
    """
    coding = request.header(b"content-encoding").decode("latin-1").strip().lower()
    if coding in {"", "identity"}:
        return request
    if coding not in _UNPACKED:
        raise UnsupportedMedia(
            what="The body is packed in a way that is not read here",
            expected="gzip or zstd",
            found=coding[:40],
        )
    try:
        body = _UNPACKED[coding](request.body)
    except (zlib.error, zstandard.ZstdError, EOFError, OSError) as error:
        raise InvalidRequest(what=f"The body is not {coding}", found=str(error)) from None
    if len(body) > MOST_BYTES:
        raise TooLarge(
            expected=f"at most {MOST_BYTES // 1024**2} MiB when unpacked",
            found="more",
            fix="Send fewer rows.",
        )
    return replace(request, body=body)


@lru_cache(256)
def accepted(header: bytes) -> str:
    """The packing in which a client takes answers, by its header `Accept-Encoding`; empty for none."""
    taken = set()
    for each in header.decode("latin-1").lower().split(","):
        name, *more = (part.strip() for part in each.split(";"))
        if not any(part.replace(" ", "") in {"q=0", "q=0.0", "q=0.00", "q=0.000"} for part in more):
            taken.add(name)
    return next((coding for coding in ("zstd", "gzip") if coding in taken), "")


def _with(granted: tuple[tuple[bytes, bytes], ...], give: Give) -> Give:
    return lambda reply: give(replace(reply, headers=(*reply.headers, *granted)))


def _packing(coding: str, give: Give) -> Give:
    def packed(reply: Reply) -> Reply:
        more = ((b"content-encoding", coding.encode()), (b"vary", b"accept-encoding"))
        return replace(reply, body=_PACKED[coding](reply.body), headers=(*reply.headers, *more))

    def given(reply: Reply) -> None:
        if len(reply.body) < WORTH:
            give(reply)
        elif len(reply.body) < LONG:
            give(packed(reply))
        else:
            coming = asyncio.get_running_loop().run_in_executor(None, packed, reply)
            coming.add_done_callback(lambda done: give(done.result()))

    return given


def _from_gzip(body: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
        return file.read(MOST_BYTES + 1)


def _from_zstd(body: bytes) -> bytes:
    parts, size, at = [], 0, 0
    while at < len(body) and size <= MOST_BYTES:
        frame = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
        while not frame.eof and size <= MOST_BYTES:
            if at >= len(body):
                raise EOFError("it ends before its end")
            parts.append(frame.decompress(body[at : at + _MORSEL]))
            size += len(parts[-1])
            at = min(at + _MORSEL, len(body))
        at -= len(frame.unused_data)
    return b"".join(parts)


_UNPACKED: dict[str, Callable[[bytes], bytes]] = {"gzip": _from_gzip, "zstd": _from_zstd}
_PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda body: gzip.compress(body, LEVEL, mtime=0),
    "zstd": lambda body: zstandard.ZstdCompressor(level=LEVEL).compress(body),
}

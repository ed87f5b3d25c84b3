"""Git's smart HTTP protocol: requests are handed to `git http-backend`, answers streamed back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from pathlib import Path
from typing import NamedTuple, cast

from penstock.adapters.forges.git import clean_environment

LIMIT = 600.0
"""Seconds after which a request is given up, also one whose client reads no more."""
CHUNK = 1 << 16
_SERVED = re.compile(r"/?([a-z][a-z0-9_-]*\.git/(info/refs|git-upload-pack|git-receive-pack))")


class Response(NamedTuple):
    """An HTTP answer whose body comes in pieces; a body that is not read ends by itself."""

    status: int
    headers: list[tuple[str, str]]
    body: AsyncIterator[bytes]


async def serve_git(
    folder: Path,
    *,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: AsyncIterable[bytes],
    user: str = "",
) -> Response:
    """Answer a request to the repositories in `folder`, as `git clone`, `fetch` and `push` send them.

    `path` is what follows the mount point (`flights.git/info/refs`), `query` has no question mark,
    names of `headers` are in lower case, `body` is as it came, compressed or not, `user` is who sends it
    as far as that is known. Anything but the smart protocol is answered with 404: no file of a repository
    is given out.
    """
    served = _SERVED.fullmatch(path)
    if not served:
        return refused(404, "This is not a repository's address.")
    backend = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        env=_variables(folder, method, served[1], query, headers) | ({"REMOTE_USER": user} if user else {}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    asyncio.get_running_loop().call_later(LIMIT, _end, backend)
    feeding = asyncio.create_task(_feed(backend, body))
    try:
        status, answered = await _head(backend)
    except BaseException:
        feeding.cancel()
        _end(backend)
        raise
    return Response(status, answered, _rest(backend, feeding))


def refused(status: int, sentence: str, *headers: tuple[str, str]) -> Response:
    """An answer that git shows to the person as it is."""
    return Response(status, [("Content-Type", "text/plain"), *headers], _pieces(f"{sentence}\n".encode()))


def _variables(
    folder: Path, method: str, path: str, query: str, headers: Mapping[str, str]
) -> dict[str, str]:
    """The request as CGI (RFC 3875) says it; http-backend itself undoes the compression of the body."""
    variables = clean_environment() | {
        "GIT_PROJECT_ROOT": str(folder.resolve()),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REQUEST_METHOD": method,
        "PATH_INFO": f"/{path}",
        "QUERY_STRING": query,
    }
    passed = {
        "content-type": "CONTENT_TYPE",
        "content-length": "CONTENT_LENGTH",
        "content-encoding": "HTTP_CONTENT_ENCODING",
        "git-protocol": "GIT_PROTOCOL",
    }
    return variables | {variable: headers[name] for name, variable in passed.items() if name in headers}


async def _feed(backend: asyncio.subprocess.Process, body: AsyncIterable[bytes]) -> None:
    pipe = cast("asyncio.StreamWriter", backend.stdin)
    with contextlib.suppress(ConnectionError):  # git answers, and goes, before it has read all
        async for piece in body:
            pipe.write(piece)
            await pipe.drain()
    pipe.close()


async def _head(backend: asyncio.subprocess.Process) -> tuple[int, list[tuple[str, str]]]:
    pipe = cast("asyncio.StreamReader", backend.stdout)
    status, headers = 200, []
    while line := (await pipe.readline()).decode("latin-1").rstrip("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers.append((name, value.strip()))
    return status if headers else 500, headers


async def _rest(backend: asyncio.subprocess.Process, feeding: asyncio.Task[None]) -> AsyncIterator[bytes]:
    pipe = cast("asyncio.StreamReader", backend.stdout)
    try:
        while piece := await pipe.read(CHUNK):
            yield piece
        await backend.wait()
    finally:
        feeding.cancel()
        _end(backend)


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _end(backend: asyncio.subprocess.Process) -> None:
    if backend.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(backend.pid, signal.SIGKILL)

"""Keeps other people's web pages from speaking to a system on this machine."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from litestar import Request
from litestar.types import ASGIApp, Receive, Scope, Send

from penstock.core.errors import InvalidValue, NotAllowed

ALLOWED_HOSTS = "PENSTOCK_ALLOWED_HOSTS"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


def only_known_hosts(known: Collection[str]) -> Callable[[ASGIApp], ASGIApp]:
    """Middleware that refuses a request whose Host header names none of the `known` hosts."""

    def middleware(app: ASGIApp) -> ASGIApp:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            headers = dict(scope.get("headers", ()))
            host = headers.get(b"host", b"").decode("latin-1").lower()
            name = host if host.endswith("]") else host.rpartition(":")[0] or host
            if name not in known:
                raise NotAllowed(
                    what="This system does not answer to that host name",
                    expected=", ".join(sorted(known)),
                    found=repr(name),
                    fix=f"The setting {ALLOWED_HOSTS} names further hosts, separated by commas.",
                )
            await app(scope, receive, send)

        return guarded

    return middleware


def only_json(request: Request[Any, Any, Any]) -> None:
    """Raises InvalidValue unless the body says that it is JSON.

    A form of another site cannot say so without this site's leave, which is never given.
    """
    kind, _ = request.content_type
    if kind != "application/json":
        raise InvalidValue(expected="the header Content-Type: application/json", found=kind or "none")

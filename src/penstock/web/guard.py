"""Keeps other people's web pages from speaking to a system on this machine, and reads what requests carry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from litestar import Request
from litestar.types import ASGIApp, Receive, Scope, Send

from penstock.core.credentials import token_in
from penstock.core.errors import InvalidValue, NotAllowed

ALLOWED_HOSTS = "PENSTOCK_ALLOWED_HOSTS"
NEAR = frozenset({"127.0.0.1", "::1"})
COOKIE = "penstock_token"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


def only_known_hosts(known: Collection[str]) -> Callable[[ASGIApp], ASGIApp]:
    """Middleware that refuses a request whose Host header names none of the `known` hosts."""

    def middleware(app: ASGIApp) -> ASGIApp:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            name = _host(scope)
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


def is_near(scope: Scope) -> bool:
    """Whether a request comes from this machine itself, and was not handed on by a proxy for another."""
    headers = dict(scope.get("headers", ()))
    client = scope.get("client")
    proxied = b"x-forwarded-for" in headers or b"forwarded" in headers
    return client is not None and client[0] in NEAR and _host(scope) in LOOPBACK and not proxied


def only_near(scope: Scope, path: str, fields: Mapping[str, Any]) -> None:
    """Raises NotAllowed for a request from elsewhere that lets others in, or this machine out to anywhere."""
    outside = path == "/projects" and "forge" in fields
    if (path.startswith(("/tokens", "/secrets")) or outside) and not is_near(scope):
        raise NotAllowed(
            what="Tokens, secrets and outside repositories are set up at the machine of the system only.",
            fix="Run penstock tokens, penstock secrets and penstock connect there.",
        )


def _host(scope: Scope) -> str:
    """The name in the Host header, without its port."""
    host = dict(scope.get("headers", ())).get(b"host", b"").decode("latin-1").lower()
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def only_ours(request: Request[Any, Any, Any]) -> None:
    """Raises InvalidValue for a body that is no JSON, and NotAllowed for a form of another site.

    A browser says of each form which site it is of, and lets no page say otherwise.
    """
    origin = request.headers.get("origin", "")
    if not is_form(request) or not origin:
        require_json(request.content_type[0])
    elif urlsplit(origin).netloc != request.headers.get("host"):
        raise NotAllowed(
            what="This form is of no page of this system",
            found=origin,
            fix="Programs send JSON, and a proxy passes on the header Host.",
        )


def is_form(request: Request[Any, Any, Any]) -> bool:
    """Whether somebody pressed a button of a page."""
    return request.content_type[0] == "application/x-www-form-urlencoded"


def pressed_fields(body: bytes) -> dict[str, str]:
    """What a button's form says."""
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


def page_of(request: Request[Any, Any, Any]) -> str:
    """The page of this system on which a button was pressed."""
    seen = urlsplit(request.headers.get("referer", ""))
    if seen.netloc != request.headers.get("host"):
        return "/"
    return "/" + seen.path.lstrip("/") + (f"?{seen.query}" if seen.query else "")


def require_json(content_type: str) -> None:
    """Raises InvalidValue unless a Content-Type says JSON.

    A form of another site cannot say so without this site's leave, which is never given.
    """
    kind = content_type.partition(";")[0].strip()
    if kind != "application/json":
        raise InvalidValue(expected="the header Content-Type: application/json", found=kind or "none")


def token_of(headers: Mapping[str, str]) -> str:
    """The token of a request: the password of Basic, a bearer's, or that of the cookie. Empty for none."""
    if authorization := headers.get("authorization", ""):
        return token_in(authorization)
    try:
        kept = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return kept.value if kept else ""


async def pieces(receive: Receive) -> AsyncIterator[bytes]:
    """The request's body as it comes; it ends early when the client goes away."""
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        yield message["body"]
        more = message["more_body"]

"""Features read by their names at the prediction address, by whoever may read them from the system."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Coroutine
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from penstock.adapters.predictor.http import Reply, Request
from penstock.adapters.predictor.table import FEW, Table
from penstock.adapters.predictor.terms import unpacked
from penstock.core.credentials import token_in
from penstock.core.digests import digest_bytes
from penstock.core.errors import InvalidRequest, NotAllowed, NotAuthenticated
from penstock.serving.feast import AskedFeatures, read_asked
from penstock.serving.types import Holder, Offer

PATH = "/get-online-features"
SHORT = 64 * 1024
"""Bytes of such a request."""
LONGEST = 60.0
"""Seconds that an answer may take."""
_NEAR = frozenset({b"127.0.0.1", b"localhost", b"[::1]"})
_encode = msgspec.json.Encoder().encode


class Offered:
    """Answers what is asked of features."""

    def __init__(self, table: Table, key: str) -> None:
        """`key` is that of the home, which only who can read that can show."""
        self._table = table
        self._key = key.encode()

    def answer(self, request: Request) -> Reply | Coroutine[Any, Any, Reply]:
        """The reply, or what is to be waited for. Raises as `OfferedFeatures.told`, NotAuthenticated and
        NotAllowed.
        """
        state = self._table.state
        holder = self._holder(request, state.plan.offer)
        _require_json(request)
        if len(request.body) > SHORT or b"content-encoding" in request.headers:
            return self._in_thread(request, holder)
        asked = _allowed(read_asked(request.body), holder)
        told = state.offered.told_at_once(asked, FEW, state.now())
        return Reply(200, _encode(told)) if told else self._in_thread(request, holder)

    async def _in_thread(self, request: Request, holder: Holder | None) -> Reply:
        state = self._table.state

        def told() -> bytes:
            asked = _allowed(read_asked(unpacked(request).body), holder)
            return _encode(state.offered.told(asked, state.now()))

        async with asyncio.timeout(LONGEST):
            return Reply(200, await asyncio.to_thread(told))

    def _holder(self, request: Request, offer: Offer) -> Holder | None:
        """Who asks, None for somebody who need not say so. Raises NotAuthenticated."""
        headers = request.headers
        said = headers.get(b"authorization")
        shown = token_in(said.decode("latin-1")) if said else ""
        if not shown and offer.open and _is_near(headers.get(b"host", b"")) and not _handed_on(request):
            return None
        text = shown.encode()
        if text and hmac.compare_digest(text, self._key):
            return None
        digest = digest_bytes(text)
        holder = next((each for each in offer.holders if each.digest == digest), None)
        if holder is None:
            raise NotAuthenticated(
                what="Features are read here with an access token: as a bearer's, or as the password.",
                fix="Make one with: penstock tokens create --for NAME --role service.",
            )
        if holder.expires and holder.expires <= datetime.now(UTC):
            raise NotAuthenticated(
                what=f"The access token {holder.token} has expired.",
                fix="Make another with: penstock tokens create.",
            )
        return holder


def _allowed(asked: AskedFeatures, holder: Holder | None) -> AskedFeatures:
    """The request within what a token is for. Raises NotAllowed for one beyond it."""
    if holder is None or not (holder.project or holder.environment):
        return asked
    for kind, own, other in (
        ("project", holder.project, asked.project),
        ("environment", holder.environment, asked.environment),
    ):
        if own and other not in {"", own}:
            raise NotAllowed(
                what=f"The access token {holder.token} is for the {kind} {own} only.",
                fix=f"Ask for that {kind}, or with another token.",
            )
    return msgspec.structs.replace(
        asked,
        project=holder.project or asked.project,
        environment=holder.environment or asked.environment,
    )


def _require_json(request: Request) -> None:
    """Raises InvalidRequest unless the body says that it is JSON: a form of another site cannot say so."""
    media = request.header(b"content-type")
    if media != b"application/json" and media.partition(b";")[0].strip().lower() != b"application/json":
        raise InvalidRequest(
            expected="the header Content-Type: application/json",
            found=media.decode("latin-1")[:60] or "none",
        )


@lru_cache(64)
def _is_near(host: bytes) -> bool:
    """Whether a Host header names this machine: pages that have their name point here name another."""
    name = host.lower()
    return (name if name.endswith(b"]") else name.rpartition(b":")[0] or name) in _NEAR


def _handed_on(request: Request) -> bool:
    return b"x-forwarded-for" in request.headers or b"forwarded" in request.headers

"""Webhooks: a signed POST of an event."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime

import httpx

from penstock.adapters.notices.envelope import envelope
from penstock.core.errors import Busy, InvalidValue, NotAllowed, Unavailable
from penstock.triggers.ports import Message

TIMEOUT = 10.0
"""Seconds without an answer after which a receiver is given up for now."""
LONGEST = 3600.0
STANDARD = "whsec_"
"""How keys of Standard Webhooks begin; what follows is base64."""


class Webhook:
    """A `triggers.ports.Channel`.

    Signed as Standard Webhooks say (https://www.standardwebhooks.com) and as MLflow signs its own, over the
    same bytes with the same key: a receiver of either kind knows how to check it.
    """

    def __init__(self, *, timeout: float = TIMEOUT, now: Callable[[], float] = time.time) -> None:
        """`timeout` is in seconds; `now` gives the machine's, since 1970."""
        self._timeout = timeout
        self._now = now

    def send(self, address: str, key: str, message: Message) -> None:
        """See `Channel.send`."""
        if not address.startswith(("https://", "http://")):
            raise InvalidValue(
                what="The secret of this channel holds no address of a webhook",
                expected="https://…",
                fix="penstock secrets set keeps another.",
            )
        body = envelope(message)
        headers = {
            "Content-Type": "application/cloudevents+json; charset=UTF-8",
            "User-Agent": "penstock",
            **signatures(key, message.delivery, int(self._now()), body),
        }
        try:
            # what stands in the answer is not read: it may have no end
            with httpx.stream(
                "POST", address, content=body, headers=headers, timeout=self._timeout
            ) as answer:
                self._check(answer)
        except httpx.TimeoutException:
            raise Unavailable(what="The receiver does not answer in time.") from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            raise Unavailable(what="The receiver cannot be reached.") from None

    def _check(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if answer.is_success:
            return
        if status == 429 or (status == 503 and "retry-after" in answer.headers):
            raise Busy(
                what="The receiver asks to be left alone for a while.",
                seconds=self._rest(answer.headers.get("retry-after", "")),
            )
        if status in {400, 413, 415, 422}:
            raise InvalidValue(what=f"The receiver does not take the message ({status})")
        if status in {401, 403, 404, 410}:
            raise NotAllowed(
                what=f"The receiver refuses us ({status}).", fix="Look at the secrets of this channel."
            )
        raise Unavailable(what=f"The receiver answered with {status}.")

    def _rest(self, text: str) -> float:
        """The seconds of a `Retry-After` (RFC 9110), which may be a date."""
        seconds = 60.0
        with suppress(ValueError, TypeError):
            seconds = (
                float(text) if text.isdecimal() else parsedate_to_datetime(text).timestamp() - self._now()
            )
        return min(max(seconds, 1.0), LONGEST)


def signatures(key: str, delivery: str, moment: int, body: bytes) -> dict[str, str]:
    """The headers that name and sign a message; without a key they only name it."""
    named = {"webhook-id": delivery, "webhook-timestamp": str(moment)}
    if not key:
        return named
    standard = _signed(_key(key), f"{delivery}.{moment}.".encode() + body)
    mlflow = _signed(key.encode(), f"{delivery}.{moment}.".encode() + body)
    return named | {
        "webhook-signature": standard,
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": str(moment),
        "X-MLflow-Signature": mlflow,
    }


def _key(text: str) -> bytes:
    """The bytes that sign: of a key with the prefix of Standard Webhooks what its base64 holds."""
    if not text.startswith(STANDARD):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(STANDARD), validate=True)
    except binascii.Error:
        raise InvalidValue(
            what="The key that signs for this channel is spoiled",
            expected=f"base64 after {STANDARD}",
            fix="Keep it anew with penstock secrets set.",
        ) from None


def _signed(key: bytes, content: bytes) -> str:
    return f"v1,{base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()}"

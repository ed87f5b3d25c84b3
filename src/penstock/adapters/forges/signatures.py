"""Signatures of webhooks, over the bytes as they came and compared in constant time."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

WINDOW = 300.0
"""Seconds by which a signed time may differ from ours."""


def same(given: str, expected: str) -> bool:
    """Whether two texts are equal, in a time that does not tell how far they are."""
    return hmac.compare_digest(given.encode(), expected.encode())


def hex_digest(secret: str, body: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) of a body as hexadecimal digits."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
    """Whether a webhook is signed as Standard Webhooks says, no more than WINDOW seconds away from `now`."""
    number, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not number or not moment.isdecimal() or abs(now - int(moment)) > WINDOW:
        return False
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return False
    digest = hmac.new(key, f"{number}.{moment}.".encode() + body, hashlib.sha256).digest()
    expected = f"v1,{base64.b64encode(digest).decode()}"
    return any(same(given, expected) for given in headers.get("webhook-signature", "").split())


def signed_somehow(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
    """Whether a body is signed as Standard Webhooks say, or as GitHub signs."""
    hub = same(headers.get("x-hub-signature-256", ""), f"sha256={hex_digest(secret, body)}")
    return hub or standard(headers, body, secret, now)

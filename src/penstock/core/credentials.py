"""What a request shows to say who asks."""

from __future__ import annotations

import base64
import binascii


def token_in(authorization: str) -> str:
    """The token in an `Authorization` header: a bearer's, or the password of Basic. Empty for none."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return rest  # what cannot be read is no token, and must not count as none

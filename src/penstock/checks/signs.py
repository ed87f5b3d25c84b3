"""How a gate asks for people: `sign_off`, or `sign_off: 2` for so many of them."""

from __future__ import annotations

from penstock.core.errors import InvalidValue

WORD = "sign_off"


def is_sign_off(text: str) -> bool:
    """Whether a line of a gate asks for people."""
    return text == WORD or text.startswith(f"{WORD}:")


def signatures(text: str) -> int:
    """How many people a line of a gate asks for. Raises InvalidValue."""
    if text == WORD:
        return 1
    number = text.removeprefix(f"{WORD}:").strip()
    if not number.isdecimal() or not 1 <= int(number) <= 9:
        raise InvalidValue(
            what="A sign-off is asked of so many people", expected="sign_off, or sign_off: 2", found=text
        )
    return int(number)

"""Names that people write, and the ones they may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from penstock.core.errors import InvalidValue


def meant(word: str, known: Iterable[str]) -> str:
    """Advice for a name that is not among the known: the one that was probably meant, or all there are.

    Nothing where there are none.
    """
    names = sorted(known)
    close = get_close_matches(word, names, n=1)
    if close:
        return f"Did you mean `{close[0]}`?"
    return f"There is {', '.join(f'`{name}`' for name in names)}." if names else ""


def require_texts(of: str, **given: object) -> None:
    """Raises InvalidValue for what is no text among the arguments given to `of`."""
    for name, value in given.items():
        if not isinstance(value, str):
            raise InvalidValue(
                what=f"`{name}` of {of} has an impossible value", expected="a text", found=repr(value)
            )


def texts(of: str, name: str, given: object) -> tuple[str, ...]:
    """One text, or several in a list or tuple, as a tuple. Raises InvalidValue for anything else."""
    if isinstance(given, str):
        return (given,) if given else ()
    if isinstance(given, list | tuple) and all(isinstance(each, str) for each in given):
        return tuple(given)
    raise InvalidValue(
        what=f"`{name}` of {of} has an impossible value",
        expected="a text, or several in a list or tuple",
        found=repr(given),
    )

"""Names that people write, and the ones they may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def meant(word: str, known: Iterable[str]) -> str:
    """Advice for a name that is not among the known: the one that was probably meant, or all there are."""
    names = sorted(known)
    close = get_close_matches(word, names, n=1)
    if close:
        return f"Did you mean `{close[0]}`?"
    return f"There is {', '.join(f'`{name}`' for name in names)}." if names else "There is none."

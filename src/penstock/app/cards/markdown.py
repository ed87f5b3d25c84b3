"""A model card as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock.app.cards.sections import Section, sections_of

_SPECIAL = re.compile(r"([\\`*\[\]|]|<(?=[A-Za-z/!?])|(?<!\w)_|_(?!\w))")


def card_markdown(card: Mapping[str, Any]) -> str:
    """The card as GitHub's Markdown: `card` as `/models/{ref}/card` answers."""
    return "\n".join([f"# Model card: {_plain(card['identity']['id'])}", *_lines(sections_of(card))]) + "\n"


def _lines(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections:
        yield f"\n## {section.title}"
        if section.says:
            yield f"\n{section.says}"
        if section.facts:
            yield ""
            yield from (f"- **{_plain(name)}**: {_plain(text)}" for name, text in section.facts.items())
        if section.columns:
            yield ""
            yield _line(section.columns)
            yield _line(["---"] * len(section.columns))
            yield from (_line([row[name] for name in section.columns]) for row in section.rows)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_plain, cells))} |"


def _plain(text: str) -> str:
    """Text that means nothing else in Markdown, in one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))

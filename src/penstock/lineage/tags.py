"""Tags: texts under keys, attached to any noun, changed and removed by whoever may write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from penstock.core.errors import InvalidValue, NotFound
from penstock.lineage.ports import Reader, Transaction
from penstock.lineage.types import Tag

LONGEST_KEY = 250
LONGEST_VALUE = 64_000
"""Characters of a key, and of a value: a tag is a remark, not a file."""


def check_key(key: str, noun: str) -> str:
    """The key itself, when a `noun` (a tag, a metric) may be called so. Raises InvalidValue."""
    if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
        raise InvalidValue(
            what=f"This cannot be the name of a {noun}",
            expected=f"1 to {LONGEST_KEY} printable characters",
            found=f"{key[:40]!r}, {len(key)} characters",
        )
    return key


def check_text(key: str, text: str) -> str:
    """The text itself, when it is short enough. Raises InvalidValue."""
    if len(text) > LONGEST_VALUE:
        raise InvalidValue(
            what=f"The value of {key} is too long",
            expected=f"at most {LONGEST_VALUE} characters",
            found=str(len(text)),
            fix="Store it as a file.",
        )
    return text


def check_tags(tags: Mapping[str, str]) -> None:
    """Raises InvalidValue unless a noun can have these tags."""
    for key, text in tags.items():
        check_text(check_key(key, "tag"), text)


def set_tags(tx: Transaction, subject: str, tags: Mapping[str, str]) -> None:
    """Attach texts to a noun; a key that is there gets the new text. Raises InvalidValue."""
    nouns = {
        key: Tag(
            id=f"{subject}/{check_key(key, 'tag')}", subject=subject, key=key, value=check_text(key, text)
        )
        for key, text in tags.items()
    }
    if not nouns:
        return
    known = {key for (key,) in tx.pick(Tag, ("key",), id=tuple(tag.id for tag in nouns.values()))}
    tx.add(*(tag for key, tag in nouns.items() if key not in known))
    tx.put(*(tag for key, tag in nouns.items() if key in known))


def drop_tag(tx: Transaction, subject: str, key: str) -> None:
    """Remove a tag of a noun. Raises NotFound."""
    if key not in tags_of(tx, [subject])[subject]:
        raise NotFound(what=f"There is no tag {key} on {subject}")
    tx.put(Tag(id=f"{subject}/{key}", subject=subject, key=key, value=None))


def tags_of(reader: Reader, subjects: Iterable[str]) -> dict[str, dict[str, str]]:
    """The tags of nouns, by subject and key; a subject without any has none."""
    found: dict[str, dict[str, str]] = {subject: {} for subject in subjects}
    for subject, key, value in reader.pick(Tag, ("subject", "key", "value"), subject=tuple(found)):
        if value is not None:
            found[subject][key] = value
    return found

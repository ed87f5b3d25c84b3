"""The glossary holds the words of the store."""

import re
from pathlib import Path

from penstock.adapters.storage.tables import TABLES

GLOSSARY = Path(__file__).parents[2] / "docs" / "glossary.md"


def spoken(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def test_the_glossary_has_every_noun_that_is_stored_and_marks_no_other() -> None:
    marked = set(re.findall(r"\*\*([a-z ]+)\*\*", GLOSSARY.read_text()))
    assert marked == {spoken(kind.__name__) for kind in TABLES}


def test_no_word_is_explained_twice() -> None:
    rows = re.findall(r"^\| ([^|]+) \|", GLOSSARY.read_text(), flags=re.MULTILINE)
    words = [word.strip("* ") for row in rows if row not in {"word", "---"} for word in row.split(",")]
    assert len(words) == len(set(words))

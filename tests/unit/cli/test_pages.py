"""What commands print for people."""

from pathlib import Path

import pytest
from rich.console import Console

from penstock.cli.pages import Facts, Page, Table, look_up, written
from penstock.core.errors import InvalidValue


def shown(page: Page) -> list[str]:
    console = Console(width=120, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as captured:
        page.show(console)
    return [line.rstrip() for line in captured.get().splitlines() if line.strip()]


def test_a_table_shows_headings_paths_and_cut_digests() -> None:
    rows = [
        {"id": "3", "metrics": {"roc_auc": 0.712345}, "release": "ab" * 32, "created": "2013-03-01T06:00:00Z"}
    ]
    table = Table(rows, ("run=id", "roc=metrics.roc_auc", "release", "created"), "none")
    heading, _, row = shown(Page({}, (table,)))
    assert heading.split() == ["run", "roc", "release", "created"]
    assert row.split() == ["3", "0.7123", "abababababab", "2013-03-01", "06:00"]


def test_an_empty_table_says_what_would_fill_it() -> None:
    empty = Table([], ("channel",), "There is no table such as [notify.team].")
    assert shown(Page({}, (empty,))) == ["There is no table such as [notify.team]."]


def test_facts_leave_out_what_is_empty() -> None:
    facts = Facts({"run": "3", "error": "", "firing": None}, ("run", "error", "firing", "absent"))
    assert shown(Page({}, (facts,))) == ["run  3"]


def test_hints_follow_and_nothing_is_read_as_markup() -> None:
    page = Page({}, ("found [red] here", Facts({"why": "[bold] is text"}, ("why",))), ("penstock runs [ID]",))
    assert shown(page) == ["found [red] here", "why  [bold] is text", "→ penstock runs [ID]"]


def test_a_path_that_leads_nowhere_is_none() -> None:
    assert look_up({"a": {"b": 1}}, "a.b") == 1
    assert look_up({"a": 1}, "a.b.c") is None


def test_a_file_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidValue, match=r"nowhere/card.html cannot be written: No such file or directory\."
    ):
        written(tmp_path / "nowhere" / "card.html", "<p>")

"""What commands print for people."""

from pathlib import Path

import pytest
from rich.console import Console

from penstock.cli.delivery import promote
from penstock.cli.pages import Facts, Page, Table, look_up, written
from penstock.cli.simulate import simulated
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


def test_a_simulation_fits_80_columns_with_headings_in_one_piece() -> None:
    policy = {
        "policy": "own.toml",
        "retrains": 1234,
        "alarmed": 1200,
        "refused": 1034,
        "seconds": 7300.0,
        "money": 1234.5,
        "quality": 0.7123,
        "behind": 0.0123,
        "chance": 0.0034,
        "front": True,
        "worst": {"value": 0.612, "start": "2013-05-06T00:00:00Z"},
        "alarms": {"found": 12, "missed": 10, "false": 11, "delay": 12.5},
    }
    told = {
        "policies": [policy],
        "metric": "log_loss",
        "price": 2.0,
        "recommended": "own.toml",
        "model": "delay",
        "project": "flights",
        "predictions": 40_000,
        "from": "2013-03-01",
        "to": "2013-12-31",
        "trainings": {"asked": 30, "made": 12, "seconds": 200.0},
        "intervals": [{"weeks": 4, "loss": 0.0123, "trainings": 13, "seconds": 7300.0}],
    }
    console = Console(width=80, force_terminal=False)
    with console.capture() as captured:
        for part in simulated(told).parts:
            if isinstance(part, Table):
                part.show(console)
    lines = [" ".join(line.split()) for line in captured.get().splitlines() if "─" not in line]
    assert [line for line in lines if line] == [
        "policy retrains on alarm refused training cost",
        "own.toml 1234 1200 1034 2.0 h 1234.50",
        "policy found missed false delay",
        "own.toml 12 10 11 12.5 d",
        "policy log_loss behind worst week",
        "own.toml 0.7123 0.0123 ± 0.0034 0.612 from 2013-05-06 •",
        "trained every log_loss lost trainings a year in a year",
        "4 weeks +0.0123 13 2.0 h",
    ]


def test_a_version_that_goes_before_its_gate_once_more_is_not_said_to_be_promoted() -> None:
    class Asked:
        def post(self, _path: str, **_said: str) -> dict[str, str]:
            return {"role": self.role}

        role = "candidate"

    asked = Asked()
    given = {"plan": False, "project": "", "actor": ""}
    page = promote.__wrapped__(asked, "delay@3", "production", **given)
    assert page.parts == ("delay@3 goes before the gate of production once more.",)
    asked.role = "champion"
    page = promote.__wrapped__(asked, "delay@3", "production", **given)
    assert page.parts == ("Promoted delay@3 to production.",)

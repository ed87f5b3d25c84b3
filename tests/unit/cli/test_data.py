"""`penstock data`: tables as a person looks at them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from penstock.app.home import Home
from penstock.app.workbench import Workbench
from penstock.datasets.types import Snapshot
from tests.unit.cli.conftest import Command


def table(path: Path, *, late: bool = False) -> Path:
    rows = 200
    pl.DataFrame(
        {
            "delay": [float(n + 500 * late) for n in range(rows - 1)] + [None],
            "carrier": ["UA" if n % 4 else "B6" for n in range(rows)],
            "wind": ["calm"] * rows if late else [1.5] * rows,
        }
    ).write_parquet(path)
    return path


def test_a_file_is_shown_in_the_terminal_as_json_and_as_a_page(penstock: Command, tmp_path: Path) -> None:
    file, page = table(tmp_path / "a.parquet"), tmp_path / "a.html"
    shown = penstock("data", "show", str(file), "--html", str(page))
    assert shown.exit_code == 0, shown.output
    assert "200 rows of 3 columns" in shown.output
    assert "UA 75%, B6 25%" in shown.output
    told = json.loads(penstock("data", "show", str(file), "--json").stdout)
    delay = told["columns"][0]
    assert (delay["nulls"], delay["low"], delay["high"], delay["quantiles"]["0.5"]) == (1, 0.0, 198.0, 99.0)
    assert page.read_text().count("<svg") == 2  # a constant has no shape


def test_times_of_one_day_are_drawn_in_all_their_bars(penstock: Command, tmp_path: Path) -> None:
    day = datetime(2024, 1, 1, tzinfo=UTC)
    minutes = pl.datetime_range(day, day + timedelta(hours=20), "1m", eager=True)
    pl.DataFrame({"at": minutes, "large": pl.Series(range(1201)) + 100_000.5}).write_parquet("a.parquet")
    assert penstock("data", "show", "a.parquet", "--html", "a.html").exit_code == 0
    drawn = (tmp_path / "a.html").read_text()
    assert drawn.count("<rect") == 32
    assert "2024-01-01 00:12</text>" in drawn
    assert "e+05" not in drawn


def test_two_tables_side_by_side_begin_with_what_differs_most(penstock: Command, tmp_path: Path) -> None:
    a, b = table(tmp_path / "a.parquet"), table(tmp_path / "b.parquet", late=True)
    told = json.loads(penstock("data", "diff", str(a), str(b), "--json").stdout)
    assert [(row["column"], row["how"]) for row in told["columns"]] == [
        ("delay", "mean 99 to 599"),
        ("wind", "float became string"),
        ("carrier", "the same"),
    ]
    assert penstock("data", "diff", str(a), str(a), "--html", str(tmp_path / "d.html")).exit_code == 0
    pl.read_parquet(b).clear().write_parquet(tmp_path / "none.parquet")
    none = json.loads(penstock("data", "diff", str(a), str(tmp_path / "none.parquet"), "--json").stdout)
    assert {row["column"]: row["how"] for row in none["columns"]}["wind"] == "float became string"


def test_a_source_of_which_nothing_was_read_is_named(penstock: Command, tmp_path: Path) -> None:
    bench = Workbench(Home(tmp_path / "home"), on="inline")
    day = datetime(2024, 1, 1, tzinfo=UTC)
    assert "Nothing was read of a source yet." in penstock("data").stdout
    assert "Nothing was read of a source 'fligths'." in penstock("data", "--source", "fligths").stdout
    read = Snapshot(
        id="1",
        source="flights",
        as_of=day,
        first=None,
        last=None,
        rows=0,
        quarantined=0,
        columns=(),
        digest="",
    )
    with bench.store.begin() as tx:
        tx.add(read)
    bench.close()
    assert "Did you mean `flights`?" in penstock("data", "--source", "fligths").stdout


def test_what_is_no_table_is_refused_in_a_sentence(penstock: Command, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "late.csv").write_text("a\n" + "1\n" * 10_001 + "x\n")
    for words, said in (
        (("late.csv",), "late.csv cannot be read as a table: found could not parse `x`"),
        (("empty.csv",), "empty.csv cannot be read as a table: found empty CSV."),
        (("gone.csv",), "There is no file gone.csv."),
        (("flights",), "No pipeline here reads a source `flights`, and there is no such file."),
        (("flights:1",), "There is no Penstock home at"),
    ):
        refused = penstock("data", "show", *words)
        assert (refused.exit_code, said in refused.output) == (1, True), refused.output
    (tmp_path / "expectations").mkdir()
    (tmp_path / "expectations/late.toml").write_text("[columns.a]\nat_least = 0\n")
    assert "late.csv cannot be read as a table" in penstock("data", "check", "late.csv").output
    soon = penstock("data", "show", "empty.csv", "--as-of", "soon")
    assert "expected a time such as 2024-03-01" in soon.output


def test_what_is_expected_is_written_once_and_held_against_rows(penstock: Command, tmp_path: Path) -> None:
    file, late = table(tmp_path / "a.parquet"), table(tmp_path / "b.parquet", late=True)
    assert "Write it: penstock data expect a" in penstock("data", "check", str(file)).output
    assert penstock("data", "expect", str(file)).exit_code == 0
    assert "Use --again to write over it." in penstock("data", "expect", str(file)).output
    assert (
        "a.parquet is as expectations/a.toml says, by 12 rules."
        in penstock("data", "check", str(file)).output
    )
    refused = penstock("data", "check", str(late), "--name", "a")
    assert refused.exit_code == 1
    assert "`wind` type float: not so in 200 of 200 rows, such as string instead" in refused.output
    assert "delay" not in refused.output  # a new extreme only warns


PROJECT = """
from penstock import files, pipeline, step, training_rows

told = files("data/told", event_time="at", known_time="told", key="id")


@step
def count(rows: object) -> int:
    return 1


@pipeline
def train():
    return count(training_rows(told, label="y", holdout="20%").train)
"""


@pytest.mark.parametrize("corrected", [True, False])
def test_what_is_inferred_from_rows_holds_for_them(
    penstock: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corrected: bool
) -> None:
    name = f"told_{corrected}".lower()
    (tmp_path / "penstock.toml").write_text(f'[project]\nname = "{name}"\n')
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(PROJECT)
    monkeypatch.syspath_prepend(str(tmp_path))
    day = datetime(2024, 1, 1, tzinfo=UTC)
    rows = pl.DataFrame({"id": range(2000), "y": 1, "mood": "\N{GRINNING FACE}\x7f"})
    rows = rows.with_columns(at=pl.lit(day), told=pl.lit(day))
    if corrected:
        rows = pl.concat([rows, rows.head(5).with_columns(told=pl.lit(day + timedelta(days=1)))])
    (tmp_path / "data/told").mkdir(parents=True)
    rows.write_parquet(tmp_path / "data/told/a.parquet")
    written = penstock("data", "expect", "told")
    assert written.exit_code == 0, written.output
    held = penstock("data", "check", "told")
    assert held.exit_code == 0, held.output
    text = (tmp_path / "expectations/told.toml").read_text()
    assert ("unique = true" in text, "\N{GRINNING FACE}" in text) == (not corrected, True)


def test_what_cannot_be_expected_is_refused_in_a_sentence(penstock: Command, tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("a,b\n")
    assert "none.csv has no rows." in penstock("data", "expect", "none.csv").output
    assert not (tmp_path / "expectations/none.toml").exists()
    (tmp_path / "expectations").mkdir(exist_ok=True)
    (tmp_path / "expectations/none.toml").write_bytes(b"# caf\xe9")
    assert (
        "none.toml is no text: expected UTF-8; found byte 5" in penstock("data", "check", "none.csv").output
    )

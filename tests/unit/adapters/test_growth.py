"""What is done often is found by an index, however long the history is."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penstock.adapters.storage import open_store
from penstock.adapters.storage.sqlite import SqliteConnection
from penstock.core.clock import SystemClock
from penstock.core.errors import NotFound
from penstock.runs.logbook import Logbook, Point
from penstock.runs.search import Question, search

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
THE_LAST_EVENT = "SCAN events"
"""By its number, the greatest first, and no more than one."""


def plans(file: Path, statements: Sequence[tuple[str, Sequence[Any]]]) -> set[str]:
    connection = sqlite3.connect(file)
    found = {
        row[3]
        for statement, values in statements
        for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
    }
    connection.close()
    return found


def test_logging_reads_no_table_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(tmp_path / "penstock.db")
    logbook = Logbook(store, SystemClock())
    run = logbook.open("0", actor="ada", started=None, tags={"a": "b"}).id
    logbook.log(run, metrics=[Point("loss", 1.0, NOON)])
    said: list[tuple[str, Sequence[Any]]] = []
    ask, write = SqliteConnection.ask, SqliteConnection.write

    def asked(self: SqliteConnection, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        said.append((statement, values))
        return ask(self, statement, values)

    def written(self: SqliteConnection, statement: str, rows: Sequence[Sequence[Any]]) -> int:
        said.append((statement, rows[0]))
        return write(self, statement, rows)

    monkeypatch.setattr(SqliteConnection, "ask", asked)
    monkeypatch.setattr(SqliteConnection, "write", written)
    logbook.open("0", actor="ada", started=None, tags={"a": "b"})
    logbook.log(run, metrics=[Point("loss", 0.5, NOON, 1)], params={"rate": "1"}, tags={"a": "c"})
    logbook.close(run, "succeeded", None, actor="ada")
    with store.read() as reader:
        search(reader, Question(by="loss", limit=1))
        search(reader, Question(where={"experiment": "0", "deleted": None}, limit=1))
    with pytest.raises(NotFound):
        logbook.log("none", tags={"a": "b"})
    store.close()
    first_ones = [each for each in said if "LIMIT" in each[0]]  # what is sorted besides is a page already
    assert not {line for line in plans(tmp_path / "penstock.db", first_ones) if "TEMP B-TREE" in line}
    found = plans(tmp_path / "penstock.db", said)
    assert any("metrics_name_final_value" in line for line in found)
    assert any("runs_experiment_created" in line for line in found)
    assert {line for line in found if line.startswith("SCAN")} <= {THE_LAST_EVENT}

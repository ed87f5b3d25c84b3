"""What is done often is found by an index, however long the history is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event, text

from penstock.adapters.storage import SqlStore, open_store
from penstock.core.clock import SystemClock
from penstock.core.errors import NotFound
from penstock.runs.logbook import Logbook, Point
from penstock.runs.search import Question, search

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
THE_LAST_EVENT = "SCAN events"
"""By its number, the greatest first, and no more than one."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = open_store(tmp_path / "penstock.db")
    yield store
    store.close()


def plans(store: SqlStore, statements: list[tuple[str, object]]) -> set[str]:
    found: set[str] = set()
    with store._engine.connect() as connection:
        for statement, values in statements:
            if statement.startswith(("SELECT", "UPDATE", "INSERT")):
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)  # type: ignore[arg-type]
                found |= {row[3] for row in rows}
        connection.execute(text("SELECT 1"))
    return found


def test_logging_reads_no_table_from_end_to_end(store: SqlStore) -> None:
    logbook = Logbook(store, SystemClock())
    run = logbook.open("0", actor="ada", started=None, tags={"a": "b"}).id
    logbook.log(run, metrics=[Point("loss", 1.0, NOON)])
    said: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, statement: str, values: object, *_: object) -> None:
        said.append((statement, values[0] if isinstance(values, list) else values))

    event.listen(store._engine, "before_cursor_execute", note)
    try:
        logbook.open("0", actor="ada", started=None, tags={"a": "b"})
        logbook.log(run, metrics=[Point("loss", 0.5, NOON, 1)], params={"rate": "1"}, tags={"a": "c"})
        logbook.close(run, "succeeded", None, actor="ada")
        with store.read() as reader:
            search(reader, Question(by="loss", limit=1))
            search(reader, Question(where={"experiment": "0", "deleted": None}, limit=1))
        with pytest.raises(NotFound):
            logbook.log("none", tags={"a": "b"})
    finally:
        event.remove(store._engine, "before_cursor_execute", note)
    first_ones = [each for each in said if "LIMIT" in each[0]]  # what is sorted besides is a page already
    assert not {line for line in plans(store, first_ones) if "TEMP B-TREE" in line}
    found = plans(store, said)
    assert any("metrics_name_final_value" in line for line in found)
    assert any("runs_experiment_created" in line for line in found)
    assert {line for line in found if line.startswith("SCAN")} <= {THE_LAST_EVENT, "SCAN sqlite_schema"}

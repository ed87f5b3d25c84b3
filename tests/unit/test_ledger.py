from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.adapters.storage import SqlStore, open_store
from penstock.core.errors import Corrupt, NotFound
from penstock.lineage.service import Ledger
from penstock.testing.contracts.examples import happened

COUNT = 1200
"""More than a page of them."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "penstock.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    store = open_store(path)
    with store.begin() as tx:
        tx.publish(*(happened("step", minutes=i, evidence={"i": i}) for i in range(COUNT)))
    yield store
    store.close()


def tamper(path: Path, sql: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(sql)
    connection.close()


def test_an_untouched_ledger_is_whole(store: SqlStore) -> None:
    verified = Ledger(store).verify()
    assert (verified.ok, verified.count, verified.broken_at) == (True, COUNT, None)
    assert verified.head == Ledger(store).events(after=COUNT - 1)[0].digest


def test_an_empty_ledger_is_whole(tmp_path: Path) -> None:
    store = open_store(tmp_path / "empty.db")
    verified = Ledger(store).verify()
    assert (verified.ok, verified.count, verified.head) == (True, 0, "")
    store.close()


@pytest.mark.parametrize(
    ("sql", "broken"),
    [
        ("UPDATE events SET actor = 'mallory' WHERE id = 700", 700),
        ("UPDATE events SET time = time + 1 WHERE id = 1", 1),
        ("UPDATE events SET time = 'noon' WHERE id = 1111", 1111),
        ("UPDATE events SET evidence = '{\"i\": 3}' WHERE id = 5", 5),
        ("UPDATE events SET evidence = '{' WHERE id = 1100", 1100),
        ("UPDATE events SET cause = 1 WHERE id = 9", 9),
        ("UPDATE events SET digest = 'f' WHERE id = 1200", 1200),
        ("UPDATE events SET previous = digest WHERE id = 2", 2),
        ("DELETE FROM events WHERE id = 1000", 1000),
        ("DELETE FROM events WHERE id <= 3", 1),
        ("UPDATE events SET id = 1300 WHERE id = 1200", 1200),
    ],
)
def test_the_first_broken_line_is_named(store: SqlStore, path: Path, sql: str, broken: int) -> None:
    tamper(path, sql)
    verified = Ledger(store).verify()
    assert (verified.ok, verified.broken_at, verified.count) == (False, broken, broken - 1)


def test_a_line_that_cannot_be_read_says_so(store: SqlStore, path: Path) -> None:
    tamper(path, "UPDATE events SET evidence = '{' WHERE id = 3")
    with pytest.raises(Corrupt, match="event"):
        Ledger(store).events()


def test_a_cut_end_shows_in_the_head(store: SqlStore, path: Path) -> None:
    before = Ledger(store).verify()
    tamper(path, "DELETE FROM events WHERE id > 1190")
    after = Ledger(store).verify()
    assert after.ok
    assert (after.count, after.head) != (before.count, before.head)


def test_an_event_that_is_not_there_has_no_cause(store: SqlStore) -> None:
    with pytest.raises(NotFound, match="no event 5000"):
        Ledger(store).why(5000)


def test_a_ring_of_causes_ends(store: SqlStore, path: Path) -> None:
    tamper(path, "UPDATE events SET cause = 9 WHERE id = 8")
    tamper(path, "UPDATE events SET cause = 8 WHERE id = 9")
    assert [e.id for e in Ledger(store).why(9)] == [9, 8]

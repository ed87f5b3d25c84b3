from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.adapters.online.sqlite import SqliteOnline
from penstock.testing.contracts import OnlineContract
from penstock.testing.contracts.online import KEY, record


class TestSqliteOnline(OnlineContract):
    @pytest.fixture
    def online(self, tmp_path: Path) -> Iterator[SqliteOnline]:
        store = SqliteOnline(tmp_path / "online.db")
        yield store
        store.close()

    def test_another_process_sees_what_was_written(self, online: SqliteOnline, tmp_path: Path) -> None:
        online.write("visits", [(KEY, record(1, 1, 1))])
        other = SqliteOnline(tmp_path / "online.db")
        other.write("visits", [(KEY, record(2, 2, 2))])
        other.close()
        assert online.read([KEY], ["visits"]) == [{"visits": record(2, 2, 2)}]

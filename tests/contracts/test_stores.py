from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.adapters.storage import SqlStore, open_store
from penstock.testing.contracts import LedgerContract, QuestionsContract, StoreContract
from penstock.testing.fakes import MemoryStore
from penstock.testing.postgres import PostgresServer


class TestMemoryStore(StoreContract, QuestionsContract, LedgerContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestSqlStore(StoreContract, QuestionsContract, LedgerContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SqlStore]:
        store = open_store(tmp_path / "penstock.db")
        yield store
        store.close()


class TestPostgresStore(StoreContract, QuestionsContract, LedgerContract):
    @pytest.fixture
    def store(self, postgres: PostgresServer) -> Iterator[SqlStore]:
        store = open_store(postgres.database())
        yield store
        store.close()

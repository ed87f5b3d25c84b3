from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.adapters.executors.pool import WorkerPool
from penstock.testing.contracts.executor import ExecutorContract
from penstock.testing.executors import InlineExecutor
from penstock.testing.fakes import MemoryBlobs


class TestInlineExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self) -> InlineExecutor:
        return InlineExecutor(MemoryBlobs(), size=2)


class TestWorkerPool(ExecutorContract):
    @pytest.fixture
    def executor(self, tmp_path: Path) -> Iterator[WorkerPool]:
        pool = WorkerPool(size=2, logs=tmp_path / "logs", blobs=tmp_path / "blobs")
        yield pool
        pool.close()

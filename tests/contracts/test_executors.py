"""The executors, and that it does not matter to a pipeline which one of them runs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.executors.choice import open_executor
from penstock.adapters.executors.inline import InlineExecutor
from penstock.adapters.executors.pool import WorkerPool
from penstock.runs.ports import Executor
from penstock.testing.contracts.executor import ExecutorContract, ForcefulExecutorContract


class TestInline(ExecutorContract):
    @pytest.fixture
    def logs(self, tmp_path: Path) -> Path:
        return tmp_path / "logs"

    @pytest.fixture
    def executor(self, tmp_path: Path, logs: Path) -> InlineExecutor:
        return InlineExecutor(logs=logs, blobs=FolderBlobs(tmp_path / "blobs"), size=2)


class TestLocal(ForcefulExecutorContract):
    @pytest.fixture
    def logs(self, tmp_path: Path) -> Path:
        return tmp_path / "logs"

    @pytest.fixture
    def executor(self, tmp_path: Path, logs: Path) -> Iterator[WorkerPool]:
        pool = WorkerPool(size=2, logs=logs, blobs=tmp_path / "blobs")
        yield pool
        pool.close()


class TestRay(ForcefulExecutorContract):
    @pytest.fixture(scope="class")
    @classmethod
    def logs(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("logs")

    @pytest.fixture(scope="class")
    @classmethod
    def executor(
        cls, ray_address: str, tmp_path_factory: pytest.TempPathFactory, logs: Path
    ) -> Iterator[Executor]:
        found = open_executor(ray_address, logs=logs, blobs=tmp_path_factory.mktemp("home") / "blobs")
        yield found
        found.close()

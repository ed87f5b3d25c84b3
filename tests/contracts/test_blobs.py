from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.adapters.blobs import FolderBlobs
from penstock.adapters.blobs.behind import Behind
from penstock.testing.contracts import BlobsContract
from penstock.testing.fakes import MemoryBlobs


class TestMemoryBlobs(BlobsContract):
    @pytest.fixture
    def blobs(self) -> MemoryBlobs:
        return MemoryBlobs()


class TestFolderBlobs(BlobsContract):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> FolderBlobs:
        return FolderBlobs(tmp_path / "blobs")


class TestFolderBlobsFlushedBehind(BlobsContract):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Iterator[FolderBlobs]:
        behind = Behind()
        yield FolderBlobs(tmp_path / "blobs", behind=behind)
        behind.done()

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.adapters.blobs import FolderBlobs
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

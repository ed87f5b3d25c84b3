from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.predictor.client import HttpPredictionService
from penstock.adapters.predictor.kept import service_key
from penstock.adapters.predictor.past import JsonlPredictionLog
from penstock.adapters.predictor.process import PredictorProcess
from penstock.serving.ports import PredictionLog, PredictionService
from penstock.serving.types import ServedVersion
from penstock.testing.contracts.prediction import MakeVersion, PredictionServiceContract
from penstock.testing.fakes import MemoryBlobs
from penstock.testing.prediction import FakePredictionService, MemoryPredictionLog
from penstock.testing.tiny_onnx import sigmoid_version


class TestFake(PredictionServiceContract):
    @pytest.fixture
    def make(self) -> MakeVersion:
        return partial(sigmoid_version, MemoryBlobs())

    @pytest.fixture
    def lost(self) -> ServedVersion:
        return sigmoid_version(MemoryBlobs(), 3)

    @pytest.fixture
    def service(self, lost: ServedVersion) -> FakePredictionService:
        service = FakePredictionService()
        service.broken[lost.artifact] = "its bytes are gone"
        return service

    @pytest.fixture
    def log(self, service: FakePredictionService) -> MemoryPredictionLog:
        return service.log


class TestProcess(PredictionServiceContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> MakeVersion:
        return partial(sigmoid_version, FolderBlobs(tmp_path / "blobs"))

    @pytest.fixture
    def lost(self) -> ServedVersion:
        return sigmoid_version(MemoryBlobs(), 3)

    @pytest.fixture
    def service(self, tmp_path: Path) -> Iterator[PredictionService]:
        process = PredictorProcess(tmp_path)
        process.start()
        service = HttpPredictionService(lambda: process.url, service_key(tmp_path), tmp_path / "blobs")
        yield service
        service.close()
        process.stop()

    @pytest.fixture
    def log(self, tmp_path: Path) -> PredictionLog:
        return JsonlPredictionLog(tmp_path / "predictions")

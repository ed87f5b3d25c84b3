"""What a system that isolates programs does with pickles that it served before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.adapters.isolation.choice import open_isolation
from penstock.adapters.online.sqlite import SqliteOnline
from penstock.adapters.predictor.kept import PlanFile
from penstock.adapters.predictor.table import Table
from penstock.core.errors import Unavailable
from penstock.models.types import PICKLE
from penstock.testing.contracts.prediction import plan
from penstock.testing.fakes import MemoryBlobs
from penstock.testing.tiny_onnx import sigmoid_version


def test_none_is_loaded_and_whoever_asks_is_told_why(tmp_path: Path) -> None:
    blobs: Any = MemoryBlobs()
    kept = PlanFile(tmp_path)
    kept.save(plan(1, replace(sigmoid_version(blobs, 1), format=PICKLE), sigmoid_version(blobs, 2)))
    table = Table(blobs, kept, SqliteOnline(tmp_path / "online.db"), open_isolation("podman", tmp_path))
    table.resume()
    told = {each.number: each for each in table.loaded()}
    assert (told[1].ready, told[2].ready) == (False, True)
    assert "in a system with --isolation" in told[1].error
    with pytest.raises(Unavailable, match=r"Version 1 of 'delay' cannot be loaded.*is a pickle"):
        table.find("delay", 0)

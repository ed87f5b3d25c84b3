"""What people do with versions that are there: find them, put them away, keep them, and look back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from penstock.checks import parse
from penstock.core.errors import Conflict, InvalidValue, NotAllowed
from penstock.models.comparison import compare
from penstock.models.keeping import Keeping
from penstock.models.search import Question, search, tag_question
from penstock.models.service import Models
from penstock.models.types import Protection
from penstock.testing.delivery import Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore


class Registry:
    def __init__(self) -> None:
        self.store, self.blobs = MemoryStore(), MemoryBlobs()
        self.clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.project = Delivered(self.store, self.blobs, self.clock)
        self.models = Models(self.store, self.blobs, self.clock, registers=lambda _project, _where: True)
        self.keeping = Keeping(self.store, self.models, self.clock)
        for auc in (0.7, 0.9, 0.8):
            self.project.version(auc=auc)
            self.clock.advance(timedelta(days=1))

    def place(self, number: int, role: Any) -> None:
        with self.store.begin() as tx:
            version = self.models.show(f"delay@{number}").version
            self.models.place(tx, version, "production", role, actor="ops", why="because", cause=None)

    def found(self, **asked: Any) -> list[int]:
        with self.store.read() as reader:
            return [
                each.version.number
                for each in search(reader, Question(**asked), lambda _project: "production")
            ]


@pytest.fixture
def registry() -> Registry:
    return Registry()


def test_versions_are_found_by_tag_metric_stage_and_text_in_the_order_of_a_metric(registry: Registry) -> None:
    registry.place(2, "champion")
    registry.keeping.tag("delay", 3, {"team": "Shop floor"}, (), actor="ada")
    registry.keeping.tag("delay", None, {"area": "flights"}, (), actor="ada")
    assert registry.found() == [3, 2, 1]
    assert registry.found(order="roc_auc") == [2, 3, 1]
    assert registry.found(order="roc_auc", least=True, limit=1) == [1]
    assert registry.found(bounds=(parse("roc_auc >= 0.75"), parse("roc_auc < 0.85"))) == [3]
    assert registry.found(stage="production") == [2]
    assert registry.found(tags=tag_question(("team",))) == [3]
    assert registry.found(tags=tag_question(("team=other",))) == []
    assert registry.found(text="shop FLOOR") == [3]
    assert registry.found(tags={"area": "flights"}, model="delay") == [3, 2, 1]
    with pytest.raises(InvalidValue, match="No version was measured by 'auc': expected roc_auc"):
        registry.found(order="auc")


def test_an_archived_version_comes_back_with_the_role_that_it_had(registry: Registry) -> None:
    registry.place(1, "rejected")
    [placed] = registry.keeping.archive("delay", 1, why="wrong data", actor="ops")
    assert (placed.role, placed.why) == ("archived", "wrong data")
    assert registry.models.show("delay@1").stage == "archived"
    [placed] = registry.keeping.restore("delay", 1, actor="ops")
    assert placed.role == "rejected"
    assert [change.role for change in registry.models.history("delay")] == [
        "rejected",
        "archived",
        "rejected",
    ]
    with pytest.raises(Conflict, match="is not archived"):
        registry.keeping.restore("delay", 1, actor="ops")


def test_what_answers_or_is_protected_is_not_put_away(registry: Registry) -> None:
    registry.place(2, "champion")
    with pytest.raises(Conflict, match="delay@2 is in use in production: champion"):
        registry.keeping.archive("delay", 2, why="", actor="ops")
    registry.keeping.protect("delay", 1, why="audit of 2026", actor="grace")
    with pytest.raises(
        NotAllowed, match=r"protected by grace: found audit of 2026. penstock models unprotect"
    ):
        registry.keeping.archive("delay", 1, why="", actor="ops")
    registry.keeping.unprotect("delay", 1, actor="grace")
    registry.keeping.archive("delay", 1, why="", actor="ops")
    registry.keeping.protect("delay", 1, why="again", actor="grace")
    with registry.store.read() as reader:
        assert [p.why for p in reader.find(Protection)] == ["again"]


def test_versions_stand_side_by_side(registry: Registry) -> None:
    with registry.store.read() as reader:
        found = search(reader, Question(order="roc_auc"), lambda _project: "production")[:2]
    told = compare(found, [{"carrier = UA: roc_auc": 0.8}, {}])
    assert told.versions == ("delay@2", "delay@3")
    assert [(row.name, row.values, row.differs) for row in told.metrics] == [("roc_auc", (0.9, 0.8), True)]
    assert [row.values for row in told.slices] == [(0.8, None)]
    assert not next(row for row in told.data if row.name == "input wind").differs

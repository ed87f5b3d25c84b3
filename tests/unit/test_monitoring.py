"""Monitoring: what was answered, what really happened, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from penstock.checks.measures import measure
from penstock.core.errors import InvalidValue, NotFound
from penstock.models.types import Version
from penstock.monitoring.estimates import Estimator
from penstock.monitoring.service import BATCH, Monitoring
from penstock.monitoring.types import Performance, Prediction, Window
from penstock.serving.types import LogRecord
from penstock.testing.delivery import Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

DAY = timedelta(days=1)
MIDNIGHT = datetime(2013, 3, 1, tzinfo=UTC)


class MemoryLog:
    """A prediction log in memory; offsets count records."""

    def __init__(self) -> None:
        self.files: dict[str, list[LogRecord]] = {"a": []}
        self.reads = 0

    def segments(self) -> Sequence[str]:
        return sorted(self.files)

    def read(self, segment: str, offset: int, limit: int) -> tuple[list[LogRecord], int]:
        self.reads += 1
        records = self.files[segment][offset : offset + limit]
        return records, offset + len(records)

    def closed(self, segment: str) -> bool:
        return segment != self.segments()[-1]


class World:
    """Version 1 of `delay` in production, trained on winds of 0 to 9 and two carriers."""

    def __init__(self) -> None:
        self.store, self.clock, self.log = MemoryStore(), FixedClock(MIDNIGHT), MemoryLog()
        self.blobs = MemoryBlobs()
        Delivered(self.store, self.blobs, self.clock).version()
        self.monitoring = Monitoring(self.store, self.blobs, self.log, self.clock)

    def answer(
        self, *ids: str, wind: float | None = 3.0, score: float = 0.5, variant: str = "champion"
    ) -> None:
        """The prediction service answers n rows now."""
        self.log.files[max(self.log.files)].append(
            LogRecord(
                ids=ids,
                time=self.clock.now(),
                model="delay",
                environment="production",
                version=1,
                variant=variant,
                inputs={"wind": [wind] * len(ids), "carrier": ["UA"] * len(ids)},
                score=(score,) * len(ids),
                label=("False",) * len(ids),
            )
        )

    def answer_many(self, count: int, prefix: str = "p", seed: int = 0) -> list[float]:
        scores = np.random.default_rng(seed).random(count).round(3).tolist()
        for index, score in enumerate(scores):
            self.answer(f"{prefix}{index}", score=score)
        return scores

    def tick(self) -> bool:
        return self.monitoring.tick(self.clock.now())

    def label(self, **truth: object) -> int:
        return self.monitoring.label("delay", [{"prediction": k, "value": v} for k, v in truth.items()])

    def windows(self) -> list[Window]:
        with self.store.read() as reader:
            return reader.find(Window)

    def predictions(self) -> list[Prediction]:
        with self.store.read() as reader:
            return reader.find(Prediction)

    def performance(self, metric: str = "roc_auc", start: datetime = MIDNIGHT) -> Performance:
        return self.monitoring.performance("delay", "production", metric, start, start + DAY)


@pytest.fixture
def world() -> World:
    return World()


def test_every_row_of_the_log_becomes_a_prediction_once(world: World):
    world.answer("a")
    world.answer("b", "b/1", "b/2")
    assert world.tick()
    assert [p.id for p in world.predictions()] == ["a", "b", "b/1", "b/2"]
    [window] = world.windows()
    assert (window.predictions, window.labelled, window.completeness) == (4, 0, 0.0)
    assert window.profile.rows == 4
    assert not world.tick()


def test_the_first_answer_with_an_id_counts(world: World):
    world.answer("a", score=0.1)
    world.answer("a", score=0.9)
    world.tick()
    world.answer("a", score=0.8)
    world.answer("b")
    world.tick()
    assert [(p.id, p.score) for p in world.predictions()] == [("a", 0.1), ("b", 0.5)]
    assert world.windows()[0].profile.rows == 2


def test_a_log_of_many_records_is_taken_in_by_batches(world: World):
    world.answer_many(BATCH + 5)
    assert world.tick()
    assert len(world.predictions()) == BATCH + 5


def test_a_monitor_that_starts_again_goes_on_where_the_last_one_was(world: World):
    world.answer("a")
    world.tick()
    world.monitoring = Monitoring(world.store, world.blobs, world.log, world.clock)
    world.answer("b")
    world.tick()
    assert [p.id for p in world.predictions()] == ["a", "b"]
    assert world.windows()[0].predictions == 2


def test_a_file_of_the_log_that_was_read_to_its_end_is_not_opened_again(world: World):
    world.answer("a")
    world.tick()
    world.log.files["b"] = []
    world.tick()
    world.log.reads = 0
    world.answer("b")
    world.tick()
    assert world.log.reads == 2, "once for the records, once to see that there are no more"
    assert len(world.predictions()) == 2


def test_windows_are_days_of_a_version_and_variant(world: World):
    world.answer("a")
    world.answer("b", variant="direct")
    world.clock.set(MIDNIGHT + DAY - timedelta(microseconds=1))
    world.answer("c")
    world.clock.set(MIDNIGHT + DAY)
    world.answer("d")
    world.tick()
    assert [(w.id, w.predictions) for w in world.windows()] == [
        ("production:delay@1:champion:2013-03-01", 2),
        ("production:delay@1:direct:2013-03-01", 1),
        ("production:delay@1:champion:2013-03-02", 1),
    ]


def test_labels_may_come_late_and_measure_the_window_of_their_prediction(world: World):
    scores = world.answer_many(60)
    world.tick()
    world.clock.advance(30 * DAY)
    truth = [float(index % 3 == 0) for index in range(60)]
    assert world.label(**{f"p{i}": bool(t) for i, t in enumerate(truth)}) == 60
    [window] = world.windows()
    assert (window.labelled, window.completeness) == (60, 1.0)
    assert window.metrics["roc_auc"] == measure("roc_auc", truth, scores)
    assert set(window.metrics) == {"roc_auc", "log_loss", "brier", "accuracy"}
    assert window.measured == world.clock.now()


def test_a_window_with_few_labels_or_one_class_has_no_ranking(world: World):
    world.answer_many(40)
    world.label(**{f"p{i}": i % 2 for i in range(29)})
    assert world.windows()[0].metrics == {}
    world.label(**{f"p{i}": 0 for i in range(40)})
    assert set(world.windows()[0].metrics) == {"log_loss", "brier", "accuracy"}


def test_a_correction_takes_the_place_of_what_was_said_before(world: World):
    world.answer_many(40)
    world.label(**{f"p{i}": i % 2 for i in range(40)})
    before = world.windows()[0].metrics["roc_auc"]
    world.label(**{f"p{i}": 1 - i % 2 for i in range(40)})
    [window] = world.windows()
    assert window.labelled == 40
    assert window.metrics["roc_auc"] == pytest.approx(1 - before)


def test_the_runtime_metrics_of_a_version_are_those_of_its_windows_as_champion(world: World) -> None:
    assert world.monitoring.service("delay", 1).predictions == 0
    world.answer("a", "b")
    world.answer("aside", variant="direct")
    world.tick()
    world.clock.advance(DAY)
    world.answer("c")
    world.tick()
    service = world.monitoring.service("delay", 1)
    assert (service.predictions, service.labelled) == (3, 0)
    assert (service.first, service.last) == (MIDNIGHT, MIDNIGHT + 2 * DAY)


def test_a_label_for_what_is_still_in_the_log_is_taken(world: World):
    world.answer("a")
    assert world.label(a=True) == 1
    assert world.predictions()[0].truth == 1.0


def test_labels_for_unknown_predictions_are_refused_and_none_is_kept(world: World):
    world.answer("a")
    with pytest.raises(NotFound, match="found x1, x2, x3 and 2 more") as refusal:
        world.label(a=True, x1=1, x2=1, x3=1, x4=1, x5=1)
    assert "No label was kept" in refusal.value.fix
    assert world.predictions()[0].truth is None
    with pytest.raises(NotFound):
        world.monitoring.label("another", [{"prediction": "a", "value": True}])


@pytest.mark.parametrize(
    "item",
    [
        "a",
        {"prediction": "a"},
        {"prediction": "a", "value": None},
        {"prediction": 1, "value": True},
        {"prediction": "a", "value": True, "time": "now"},
        {"prediction": "a", "value": "perhaps"},
        {"prediction": "a", "value": 0.5},
    ],
)
def test_what_is_not_a_label_is_refused_and_none_is_kept(world: World, item: object):
    world.answer("a", "b")
    with pytest.raises(InvalidValue, match="label"):
        world.monitoring.label("delay", [{"prediction": "b", "value": True}, item])
    assert {p.truth for p in world.predictions()} <= {None}


@pytest.mark.parametrize("value", [True, 1, 1.0, "True", "true", "1"])
def test_the_positive_class_may_be_written_in_many_ways(world: World, value: object):
    world.answer("a")
    world.label(a=value)
    assert world.predictions()[0].truth == 1.0


def test_inputs_that_move_away_from_training_show_as_drift(world: World):
    for index in range(200):
        world.answer(f"p{index}", wind=float(index % 10))
    world.tick()
    assert world.windows()[0].drift["wind"] < 0.05
    world.clock.advance(DAY)
    for index in range(200):
        world.answer(f"q{index}", wind=9.0)
    world.tick()
    assert world.windows()[1].drift["wind"] > 1
    assert world.windows()[1].drift["carrier"] > 0.25, "training knew two carriers"


def test_a_column_that_is_redacted_from_some_moment_on_is_not_taken_for_nulls(world: World):
    for part in range(2):
        for index in range(200):
            world.answer(f"{part}-{index}", wind=float(index % 10))
            if part:
                del world.log.files[max(world.log.files)][-1].inputs["carrier"]
        world.tick()
    [window] = world.windows()
    assert ([column.name for column in window.profile.columns], list(window.drift)) == (["wind"], ["wind"])


def test_too_few_rows_say_nothing_about_drift(world: World):
    for index in range(99):
        world.answer(f"p{index}", wind=9.0)
    world.tick()
    assert world.windows()[0].drift == {}


def test_a_window_that_grows_bit_by_bit_is_the_window_that_came_at_once(world: World):
    at_once = World()
    for index in range(150):
        for one in (world, at_once):
            one.answer(f"p{index}", wind=None if index % 7 == 0 else float(index % 5))
        if index % 40 == 0:
            world.tick()
    world.tick()
    at_once.tick()
    [bit_by_bit], [whole] = world.windows(), at_once.windows()
    assert bit_by_bit.drift == pytest.approx(whole.drift)
    assert [c.bins for c in bit_by_bit.profile.columns] == [c.bins for c in whole.profile.columns]
    assert bit_by_bit.profile.columns[0].mean == pytest.approx(whole.profile.columns[0].mean)


def test_a_day_that_is_over_is_told_in_the_ledger_once(world: World):
    world.answer("a")
    world.tick()
    with world.store.read() as reader:
        assert reader.events(kind="window.measured") == []
    world.clock.advance(3 * DAY)
    assert world.tick()
    assert not world.tick()
    with world.store.read() as reader:
        [event] = reader.events(kind="window.measured")
    assert event.subject == "window:production:delay@1:champion:2013-03-01"
    assert event.evidence["predictions"] == 1


def test_performance_is_measured_over_any_span_with_its_interval(world: World):
    scores = world.answer_many(200)
    truth = [float(index % 4 == 0) for index in range(100)]
    world.label(**{f"p{i}": t for i, t in enumerate(truth)})
    found = world.performance()
    assert found.value == measure("roc_auc", truth, scores[:100])
    assert found.low < found.value < found.high
    assert (found.predictions, found.labelled, found.completeness) == (200, 100, 0.5)
    assert world.performance(start=MIDNIGHT + DAY).value is None


def test_performance_without_labels_or_of_another_task_is_honest_about_it(world: World):
    world.answer("a")
    assert world.label(a=True) == 1
    assert world.performance().value is None
    assert world.performance("accuracy").value == 0.0
    assert world.performance("accuracy").low is None, "one row has no interval"
    with pytest.raises(InvalidValue, match="a metric of a binary model"):
        world.performance("rmse")
    with pytest.raises(InvalidValue, match="roc_auk"):
        world.performance("roc_auk")


def test_a_label_is_that_of_a_shadow_s_answer_too(world: World) -> None:
    world.answer("a", "b", score=0.4)
    world.answer("a~shadow", "b~shadow", score=0.6, variant="shadow")
    world.answer("c")
    assert world.label(a=True, c=False) == 2
    shadows = world.monitoring.outcomes("delay", "production", 1, "shadow", MIDNIGHT)
    assert (shadows.ids, shadows.truth, shadows.score) == (("a",), (1.0,), (0.6,))
    assert world.monitoring.outcomes("delay", "production", 1, "champion", MIDNIGHT).ids == ("a", "c")
    assert world.monitoring.outcomes("delay", "production", 1, "challenger", MIDNIGHT).ids == ()


def test_a_corrected_label_is_news(world: World) -> None:
    world.answer("a", "b")
    world.label(a=True, b=True)
    assert world.monitoring.labels("delay", "production", MIDNIGHT) == (2, world.clock.now())
    world.clock.advance(DAY)
    world.label(a=False)
    assert world.monitoring.labels("delay", "production", MIDNIGHT) == (2, world.clock.now())


def test_a_day_that_is_over_has_estimates_before_any_label_is_known(world: World) -> None:
    line = Estimator(rows=5_000, scores=(0.0, 1.0), chances=(0.0, 1.0))
    with world.store.begin() as tx:
        version = tx.get(Version, "delay@1")
        tx.put(replace(version, estimator=world.blobs.put(msgspec.json.encode(line))))
    scores = np.array(world.answer_many(300))
    world.tick()
    assert world.windows()[0].estimated == {}
    world.clock.advance(DAY)
    world.tick()
    [window] = world.windows()
    expected = np.maximum(scores, 1 - scores).mean()
    assert window.estimated["accuracy"].value == pytest.approx(expected)
    with world.store.read() as reader:
        [event] = reader.events(kind="window.measured")
    assert event.evidence["estimated"]["accuracy"] == pytest.approx(expected)
    found = world.performance("accuracy")
    assert (found.value, found.estimate) == (None, window.estimated["accuracy"])

"""Alarms about what really happened, and about how it follows from the inputs, once labels have come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import polars as pl
import pytest
from msgspec.structs import replace

from penstock.adapters.formats.estimator import related
from penstock.adapters.formats.native import Answers
from penstock.datasets.days import Sums, daily, followed, with_column
from penstock.datasets.profiles import profile, profile_like
from penstock.models.types import Version
from penstock.monitoring.alarms import Alarms
from penstock.monitoring.estimates import Estimator
from penstock.monitoring.service import Monitoring
from penstock.monitoring.types import Alarm, Prediction, Window
from penstock.testing.delivery import SIGNATURE, Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore
from penstock.testing.prediction import MemoryPredictionLog

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LIVE = datetime(2013, 3, 1, tzinfo=UTC)
ROWS = 300


class World:
    """Version 1 answers how likely it is that more than 10 of wind is late; so many days were held out."""

    def __init__(self, held: int = 30, classes: tuple[str, str] = SIGNATURE.classes) -> None:
        self.store, blobs, self.clock = MemoryStore(), MemoryBlobs(), FixedClock(LIVE)
        self.chance = np.random.default_rng(7)
        version = Delivered(self.store, blobs, self.clock).version()
        past = pl.concat([self.rows(LIVE - DAY * day) for day in range(held, 0, -1)])
        self.reference = profile(past, ["wind"])
        answers = Answers(np.stack([1 - past["score"], past["score"]], axis=1), ["True"] * past.height)
        learnt = Estimator(rows=past.height, scores=(0.0, 1.0), chances=(0.0, 1.0))  # it is calibrated
        of = {"label": "late", "time": "at", "training": self.reference}
        days = with_column(daily(past, "at", self.reference), daily(past, "at", profile(past, ["late"])))
        days = replace(days, relation=related(learnt, SIGNATURE, answers, past, **of))  # type: ignore[arg-type]
        kept = (blobs.put(msgspec.json.encode(each)) for each in (days, learnt))
        changed = dict(zip(("days", "estimator"), kept, strict=True))
        with self.store.begin() as tx:
            signature = replace(SIGNATURE, classes=classes)
            tx.put(replace(version, profile=self.reference, label="late", signature=signature, **changed))
        self.alarms = Alarms(self.store, blobs)
        self.monitoring = Monitoring(self.store, blobs, MemoryPredictionLog(), self.clock)

    def rows(self, day: datetime, *, shift: float = 0.0, less: float = 0.0) -> pl.DataFrame:
        """A day's rows: it is late with the chance that the model gives, or with `less` at the same wind."""
        wind = self.chance.normal(10 + self.chance.normal(0, 0.1) + shift, 2, ROWS)
        score = 1 / (1 + np.exp(10 - wind))
        late = self.chance.random(ROWS) < 1 / (1 + np.exp(10 + less - wind))
        return pl.DataFrame(
            {"at": [day] * ROWS, "wind": wind, "score": score, "late": late},
            schema_overrides={"at": pl.Datetime("us", "UTC")},
        )

    def day(self, version: int = 1, **changes: float) -> dict[str, bool]:
        """A day of answers is over; gives their truth, which nobody has told yet."""
        start = self.clock.now()
        rows = self.rows(start, **changes)
        window = Window(
            id=f"production:delay@{version}:champion:{start.date()}",
            environment="production",
            model="delay",
            version=version,
            variant="champion",
            start=start,
            end=start + DAY,
            predictions=ROWS,
            labelled=0,
            completeness=0.0,
            metrics={},
            drift={"wind": 0.0},
            profile=profile_like(rows, self.reference),
            measured=start,
        )
        answers = [
            Prediction(
                id=f"{start.date()}/{index}",
                model="delay",
                environment="production",
                version=version,
                variant="champion",
                time=start,
                score=score,
                label="True",
            )
            for index, score in enumerate(rows["score"])
        ]
        with self.store.begin() as tx:
            tx.add(window, *answers)
        self.tick()
        return {answer.id: late for answer, late in zip(answers, rows["late"], strict=True)}

    def tick(self) -> None:
        self.alarms.tick(self.clock.advance(DAY))

    def tell(self, truth: dict[str, bool], share: float = 1.0) -> None:
        """So much of the truth becomes known."""
        told = list(truth.items())[: round(share * len(truth))]
        self.monitoring.label("delay", [{"prediction": key, "value": value} for key, value in told])

    def known(self, **changes: float) -> None:
        """A day is over, and its labels come before the next is."""
        self.tell(self.day(**changes))

    def raised(self, *what: str) -> list[Alarm]:
        with self.store.read() as reader:
            return [alarm for alarm in reader.find(Alarm) if not what or alarm.what in what]

    def scores(self, day: int) -> dict[str, float]:
        with self.store.read() as reader:
            found = reader.find(Prediction, time=LIVE + DAY * (day - 1))
        return {prediction.id: prediction.score for prediction in found}

    def windows(self) -> list[Window]:
        with self.store.read() as reader:
            return reader.find(Window, order="start")


@pytest.mark.parametrize("classes", [("False", "True"), ("false", "true"), ("0", "1"), ("0.0", "1.0")])
def test_labels_are_what_they_were_however_the_model_spells_true_and_false(classes: tuple[str, str]) -> None:
    world = World(classes=classes)
    for _ in range(3):
        world.known()
    assert [window.truth for window in world.windows()] == ["passed", "judged", ""]
    assert world.raised() == []


def test_a_changed_relation_is_told_apart_from_changed_inputs_and_only_once_half_of_the_labels_came() -> None:
    world = World()
    for _ in range(5):
        world.known()
    truth = world.day(less=2)
    world.tell(truth, 0.49)
    world.day()
    assert world.raised() == []
    assert [window.truth for window in world.windows()] == ["passed", *["judged"] * 4, "", ""]
    world.tell(truth, 0.6)
    assert world.raised() == [], "a window is judged at the end of a day"
    world.tick()
    assert [alarm.what for alarm in world.raised()] == ["labels", "relation"]
    [alarm] = world.raised("relation")
    assert (alarm.rows, alarm.window, alarm.since) == (
        180,
        "production:delay@1:champion:2013-03-06",
        LIVE + 5 * DAY,
    )
    assert alarm.why.startswith(
        "the relation between inputs and truth is not what it was in held-out rows since 2013-03-06: "
        "truth: it lies -0."
    )
    assert "(180 answers whose labels are known, 60% of those on 2013-03-06, chance 1 in " in alarm.why
    world.known()
    world.tick()
    assert {alarm.ended for alarm in world.raised()} == {world.clock.now()}


@pytest.mark.parametrize(("share", "first"), [(0.6, ""), (0.96, "judged")])
def test_labels_are_waited_for_while_they_come_unless_nearly_all_are_there(share: float, first: str) -> None:
    world = World()
    world.known()
    truth = world.day()
    world.clock.advance(12 * HOUR)
    world.tell(truth, share)
    world.alarms.tick(world.clock.advance(12 * HOUR))
    assert world.windows()[1].truth == first
    world.tick()
    assert world.windows()[1].truth == "judged"


def test_other_inputs_bring_other_labels_and_leave_the_relation_as_it_is() -> None:
    world = World()
    for _ in range(3):
        world.known()
    world.known(shift=2)
    world.tick()
    assert [alarm.what for alarm in world.raised()] == ["inputs", "labels"]
    assert world.raised("labels")[0].why.startswith(
        "the labels of version 1 are not those of training since 2013-03-04: late: "
    )


def test_where_few_held_out_days_are_known_the_first_windows_are_those_that_later_ones_are_held_against() -> (
    None
):
    world = World(held=17)
    for _ in range(5):
        world.known()
    world.known(less=2)
    world.tick()
    assert [window.truth for window in world.windows()] == ["passed", *["learnt"] * 3, "judged", "moved"]
    [unsaid] = [each for each in world.windows()[3].unsaid if each.what == "relation"]
    assert "labels of 5,700 answers on 19 days are known" in unsaid.why
    assert len(world.raised("relation")) == 1


@pytest.mark.parametrize(("differ", "alarms"), [(0.0, 1), (0.7, 0)])
def test_days_without_an_alarm_teach_how_days_differ_where_few_were_held_out(
    differ: float, alarms: int
) -> None:
    world = World(held=20)
    for day in range(24):
        world.known(less=differ * (-1) ** day)
    assert world.raised("relation") == []
    world.known(less=2)
    world.tick()
    assert len(world.raised("relation")) == alarms


def test_a_wild_day_that_was_over_by_itself_is_how_days_are_a_week_later() -> None:
    world = World(held=20)
    for day in range(45):
        world.known(less=1.8 * (day % 11 == 2))
    world.tick()
    moved = [number for number, window in enumerate(world.windows()) if window.truth == "moved"]
    assert moved[0] == 2
    assert len(moved) < 4
    assert all(alarm.windows == 1 for alarm in world.raised("relation"))


def test_a_change_that_stays_is_not_learnt_as_how_days_are() -> None:
    world = World(held=20)
    for _ in range(3):
        world.known()
    for _ in range(30):
        world.known(less=2.2)
    world.tick()
    assert [window.truth for window in world.windows()][3:] == ["moved"] * 30


def test_labels_of_many_days_that_come_at_once_are_judged_in_order_of_the_days() -> None:
    world = World(held=17)
    truths = [world.day(less=2 * (day > 4)) for day in range(7)]
    for truth in reversed(truths):
        world.tell(truth)
    world.tick()
    assert [window.truth for window in world.windows()][:5] == ["passed", *["learnt"] * 3, "judged"]
    [alarm] = world.raised("relation")
    assert (alarm.since, alarm.windows) == (LIVE + 5 * DAY, 2)


def test_no_verdict_heeds_labels_that_come_after_it() -> None:
    world = World()
    world.day()
    truth = world.day(less=2)
    world.tell(truth, 0.6)
    world.day()
    told = world.raised()
    assert [alarm.rows for alarm in told] == [180, 180]
    as_expected = {key: score > 0.5 for key, score in world.scores(2).items()}
    world.tell(as_expected)
    world.tick()
    assert world.raised() == told
    assert world.windows()[1].labelled == ROWS, "though its figures are others now"


def test_of_a_version_that_answers_no_more_nothing_is_judged_by_labels() -> None:
    world = World()
    world.day()
    truth = world.day(less=2)
    with world.store.begin() as tx:
        tx.add(replace(tx.get(Version, "delay@1"), id="delay@2", number=2))
    world.day(version=2)
    world.tell(truth)
    world.tick()
    assert world.windows()[1].truth == "passed"
    assert world.raised() == []


@pytest.mark.parametrize(
    "none", [(Sums(), Sums(days=("d",), rows=(1,), sums={"a": (1.0,)}, squares={"a": (1.0,)}))]
)
def test_days_follow_one_another(none: tuple[Sums, Sums]) -> None:
    nothing, one = none
    assert followed(nothing, one) == followed(one, nothing) == one
    assert followed(one, one).rows == (1, 1)

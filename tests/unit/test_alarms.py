"""Alarms: windows of champions beside the days that their versions were trained on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import polars as pl
import pytest
from msgspec.structs import replace

from penstock.checks.pairs import RelatedDays
from penstock.checks.shifts import Calibration, Column
from penstock.datasets.days import SCORE, Days, daily, with_column
from penstock.datasets.profiles import cells, profile, profile_like, psi
from penstock.models.types import Version
from penstock.monitoring.alarms import Alarms
from penstock.monitoring.drift import calibrated, told
from penstock.monitoring.types import Alarm, Prediction, Window
from penstock.testing.delivery import Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

DAY = timedelta(days=1)
LIVE = datetime(2013, 3, 1, tzinfo=UTC)
ROWS = 300


class World:
    """Version 1 answers in production; it was trained on so many days, whose winds differ from day to day.

    The last of them are `held` out, if not all.
    """

    def __init__(self, days: int = 40, rows: int = ROWS, held: int = 1000, **influence: float) -> None:
        self.store, blobs, self.clock = MemoryStore(), MemoryBlobs(), FixedClock(LIVE)
        self.chance = np.random.default_rng(5)
        version = Delivered(self.store, blobs, self.clock).version()
        past = pl.concat([self.rows(LIVE - DAY * day, rows) for day in range(days, 0, -1)])
        self.reference = profile(past, ["wind", "carrier"])
        scores = past.filter(pl.col("at") >= LIVE - DAY * held).select("at", SCORE)
        known = with_column(daily(past, "at", self.reference), daily(scores, "at", profile(scores, [SCORE])))
        with self.store.begin() as tx:
            tx.put(
                replace(
                    version,
                    profile=self.reference,
                    days=blobs.put(msgspec.json.encode(known)),
                    influence=influence,
                )
            )
        self.alarms = Alarms(self.store, blobs)

    def rows(
        self, day: datetime, count: int = ROWS, shift: float = 0, unknown: bool = False, score: float = 0.5
    ) -> pl.DataFrame:
        """A day's rows: what is common to a day moves its winds by a tenth of their spread."""
        winds = self.chance.normal(10, 2, count) + self.chance.normal(0, 0.2) + shift
        carriers = ["XX"] * count if unknown else self.chance.choice(["UA", "B6"], count).tolist()
        return pl.DataFrame(
            {
                "at": [day] * count,
                "wind": winds,
                "carrier": carriers,
                SCORE: np.clip(self.chance.normal(score, 0.1, count), 0, 1),
            },
            schema_overrides={"at": pl.Datetime("us", "UTC")},
        )

    def day(self, version: int = 1, count: int = ROWS, **changes: float) -> None:
        """A day of answers is over."""
        self.answer(version, count, **changes)
        self.alarms.tick(self.clock.advance(DAY))

    def answer(
        self, version: int = 1, count: int = ROWS, environment: str = "production", **changes: float
    ) -> None:
        """A day's answers."""
        start = self.clock.now()
        rows = self.rows(start, count, **changes)  # type: ignore[arg-type]
        seen = profile_like(rows, self.reference)
        pairs = zip(self.reference.columns, seen.columns, strict=True)
        with self.store.begin() as tx:
            tx.add(
                Window(
                    id=f"{environment}:delay@{version}:champion:{start.date()}",
                    environment=environment,
                    model="delay",
                    version=version,
                    variant="champion",
                    start=start,
                    end=start + DAY,
                    predictions=count,
                    labelled=0,
                    completeness=0.0,
                    metrics={},
                    drift={now.name: psi(was, now) for was, now in pairs},
                    profile=seen,
                    measured=start,
                )
            )
            tx.add(
                *(
                    Prediction(
                        id=f"{environment}/{start.date()}/{index}",
                        model="delay",
                        environment=environment,
                        version=version,
                        variant="champion",
                        time=start,
                        score=score,
                        label="",
                    )
                    for index, score in enumerate(rows[SCORE])
                )
            )

    def raised(self) -> list[Alarm]:
        with self.store.read() as reader:
            return reader.find(Alarm)


def test_days_that_differ_as_days_do_raise_no_alarm() -> None:
    world = World()
    for _ in range(30):
        world.day()
    assert world.raised() == []
    assert not world.alarms.tick(world.clock.now())


def test_an_alarm_says_what_moved_by_how_much_since_when_and_how_likely_by_chance() -> None:
    world = World()
    for _ in range(5):
        world.day()
    begun = world.clock.now()
    world.day(shift=3)
    world.day(shift=3)
    [alarm] = world.raised()
    assert (alarm.what, alarm.version, alarm.windows, alarm.since) == ("inputs", 1, 2, begun)
    assert [moved.column for moved in alarm.columns] == ["wind"]
    assert (alarm.raised, alarm.last) == (begun + DAY, begun + 2 * DAY)
    assert alarm.columns[0].psi > 0.25
    assert alarm.chance <= 1 / 90
    assert "since 2013-03-06: wind: mean from 1" in alarm.why
    assert "standard deviations" in alarm.why
    with world.store.read() as reader:
        [event] = reader.events(kind="alarm.raised")
    assert (event.id, event.evidence["false_alarms"]) == (alarm.event, "1 per 90d")
    assert event.evidence["environment"] == "production", "or a channel of production is not told"
    world.day()
    assert [each.ended for each in world.raised()] == [world.clock.now()], "as in training again"


def test_values_that_training_never_saw_are_a_change() -> None:
    world = World()
    world.day()
    world.day(unknown=True)
    [alarm] = world.raised()
    assert "% to 0%, where it is not seen any more" in alarm.why
    assert "new categories, which training never saw, in 300 of 300 rows" in alarm.why


def test_missing_values_and_new_categories_are_told_as_such() -> None:
    before, now = (
        profile(pl.DataFrame({"n": numbers, "c": words}))
        for numbers, words in (
            ([1.0, 2.0, 3.0, 4.0], ["a", "a", "b", None]),
            ([1.0, None, 3.0, 4.0], ["a", "z", "b", "b"]),
        )
    )
    number, word = (told(was, seen) for was, seen in zip(before.columns, now.columns, strict=True))
    assert number.startswith("mean from 2.5 to 2.667, by +0.1 standard deviations, ")
    assert number.endswith("values are missing in 1 of 4 rows, in training in none")
    assert word.startswith("a from 50% to 25%, missing values from 25% to 0%, ")
    assert word.endswith("new categories, which training never saw, in 1 of 4 rows")


def test_answers_are_watched_as_well() -> None:
    world = World()
    world.day()
    world.day(score=0.6)
    [alarm] = world.raised()
    assert (alarm.what, alarm.columns[0].column) == ("outputs", SCORE)


def test_where_few_days_were_held_out_answers_are_judged_beside_the_first_of_the_version_too() -> None:
    world = World(held=17)
    for _ in range(2):
        world.day()
    world.day(count=29)
    for _ in range(4):
        world.day()
    assert world.raised() == []
    with world.store.read() as reader:
        unsaid = [
            [e.why for e in w.unsaid if e.what == "outputs"] for w in reader.find(Window, order="start")
        ]
    assert [bool(each) for each in unsaid] == [True, True, True, True, True, False, False]
    assert "its holdout has 17, and the version's first 3 whole days make up" in unsaid[1][0]
    assert all(f"this is number {n}" in unsaid[day][0] for n, day in ((1, 1), (2, 3), (3, 4)))
    world.day(score=0.6)
    [alarm] = world.raised()
    assert (alarm.what, alarm.columns[0].column) == ("outputs", SCORE)


def test_what_answers_hardly_heed_raises_no_alarm() -> None:
    world = World(wind=0.001, carrier=0.999)
    world.day()
    world.day(shift=3)
    assert world.raised() == []
    with world.store.read() as reader:
        [told] = reader.find(Window)[-1].unsaid
    assert (told.what, told.column) == ("inputs", "wind")
    assert "and answers hardly heed it" in told.why
    world.day(shift=3, unknown=True)
    [alarm] = world.raised()
    assert {moved.column for moved in alarm.columns} == {"wind", "carrier"}


@pytest.mark.parametrize(
    ("days", "rows", "count", "words"),
    [
        (19, 300, 300, "knows 5,700 rows of 19 days, and to know how much one day differs"),
        (
            1,
            10,
            300,
            "knows 10 rows of 1 day, and to know how much one day differs from another takes 200 of 20",
        ),
        (40, 300, 29, "its 29 answers are fewer than the 30 that it takes"),
    ],
)
def test_of_few_days_or_rows_nothing_is_said_and_why(days: int, rows: int, count: int, words: str) -> None:
    world = World(days, rows)
    world.day()
    world.day(shift=5, count=count)
    assert world.raised() == []
    with world.store.read() as reader:
        first, second = reader.find(Window)
    assert {each.why for each in first.unsaid} == {
        "it is the first day of the version, and a part of a day is no day"
    }
    [why] = [each.why for each in second.unsaid if each.what == "inputs"]
    assert words in why


def test_an_alarm_ends_when_another_version_answers() -> None:
    world = World()
    world.day(shift=3)
    assert world.raised() == [], "the first day of a version may be a part of one"
    world.day(shift=3)
    with world.store.begin() as tx:
        first = tx.get(Version, "delay@1")
        tx.add(replace(first, id="delay@2", number=2, days=""))
    world.day(version=2, shift=3)
    [alarm] = world.raised()
    assert alarm.ended == world.clock.now()


def test_two_systems_that_judge_at_once_raise_one_alarm() -> None:
    world = World()
    world.day()
    world.day(shift=3)
    assert not Alarms(world.store, MemoryBlobs()).tick(world.clock.now())
    assert len(world.raised()) == 1


def test_days_without_change_are_drawn_once_for_a_training_wherever_its_model_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[str] = []

    def drawing(
        columns: dict[str, Column], rows: int, pairs: RelatedDays | None, *, span: int
    ) -> Calibration:
        drawn.append(f"{', '.join(columns)} of {span}")
        return calibrated(columns, rows, pairs, span=span)

    monkeypatch.setattr("penstock.monitoring.judging.calibrated", drawing)
    world = World()
    with world.store.begin() as tx:
        tx.add(replace(tx.get(Version, "delay@1"), id="delay@2", number=2))
    for _ in range(4):
        world.answer()
        world.answer(2, environment="staging")
        world.alarms.tick(world.clock.advance(DAY))
    assert sorted(drawn) == [f"{what} of {span}" for what in (SCORE, "wind, carrier") for span in (1, 2, 3)]


def test_days_count_what_profiles_count() -> None:
    world = World(3, 50)
    rows = pl.concat([world.rows(LIVE), world.rows(LIVE + DAY)]).with_columns(
        wind=pl.when(pl.int_range(pl.len()) % 7 == 0).then(None).otherwise("wind"),
        carrier=pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("YY")).otherwise("carrier"),
    )
    found: Days = daily(rows, "at", world.reference)
    assert found.days == ("2013-03-01", "2013-03-02")
    seen = profile_like(rows, world.reference)
    for column, reference in zip(seen.columns, world.reference.columns, strict=True):
        assert np.sum(found.counts[column.name], axis=0).tolist() == cells(column, reference)


def test_a_bound_beyond_what_was_drawn_is_told_by_the_highest_together_and_so_is_the_chance_of_a_height() -> (
    None
):
    drawn = np.sort(np.random.default_rng(1).normal(size=(2, 1000)), axis=1)
    nothing = np.empty((2, 0))
    known = Calibration((), {}, {}, centre=nothing, spread=nothing, largest=drawn, rows=100)
    for chance, least, most in ((1 / 20, 1.5, 1.9), (1 / 360, 2.6, 3.4), (1 / 5000, 3.4, 5)):
        assert least < known.bound(chance) < most
        assert known.chance(known.bound(chance)) == pytest.approx(max(chance, 1 / 1001), rel=0.05)

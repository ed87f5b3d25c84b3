"""Alarms of how columns of numbers go together, where none of them moves by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import polars as pl
import pytest
from msgspec.structs import replace

from penstock.datasets.days import Days, daily
from penstock.datasets.pairs import Pairs, correlations, of_days, products
from penstock.datasets.profiles import profile, profile_like
from penstock.datasets.types import Column
from penstock.models.types import Version
from penstock.monitoring.alarms import Alarms
from penstock.monitoring.drift import calibrated, judged, together, watched
from penstock.monitoring.service import Monitoring
from penstock.monitoring.types import Alarm, Window
from penstock.serving.types import LogRecord
from penstock.testing.delivery import Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore
from tests.unit.test_monitoring import MemoryLog

DAY = timedelta(days=1)
BEGIN = datetime(2013, 1, 1, tzinfo=UTC)
NAMES = [f"n{index}" for index in range(10)]
CHANCE = 1 / 90


def rows(
    random: np.random.Generator, day: int = 0, count: int = 1000, related: float = 0.7, daily: float = 0.0
) -> pl.DataFrame:
    """A day's rows: ten numbers of which `n0` and `n1` go together. By `daily` days differ, in that
    and in every column.
    """
    found = random.normal(size=(count, len(NAMES)))
    own = related + daily * random.normal()
    found[:, 1] = own * found[:, 0] + np.sqrt(1 - own**2) * found[:, 1]
    found += daily * random.normal(size=len(NAMES))
    found[:, 1] = np.exp(found[:, 1])
    stamp = pl.lit(BEGIN + DAY * day).alias("at")
    return pl.DataFrame(dict(zip(NAMES, found.T, strict=True))).with_columns(stamp)


def trained(random: np.random.Generator, daily_: float = 0.0) -> Days:
    past = pl.concat([rows(random, day, daily=daily_) for day in range(60)])
    return daily(past, "at", profile(past, NAMES))


def alarms(days: Days, windows: list[pl.DataFrame], *, pairs: bool = True) -> list[list[str]]:
    """The columns and pairs by which windows alarm, as they stand in the sentence."""
    columns, _, _ = watched(days, NAMES)
    each = [products(window, days.profile) if pairs else None for window in windows]
    calibration = calibrated(columns, windows[0].height, together(days, NAMES, each[0], {}))
    found = []
    for window, known in zip(windows, each, strict=True):
        seen = {column.name: column for column in profile_like(window, days.profile).columns}
        judgement = judged(calibration, seen, days, {}, CHANCE, products=known)
        found.append([f"{moved.column}: {moved.how}" for moved in judgement.moved])
    return found


@pytest.mark.parametrize("own", [0.0, 0.05])
def test_columns_that_come_apart_alarm_where_none_moves_by_itself(own: float) -> None:
    random = np.random.default_rng(3)
    days = trained(random, own)
    still = [rows(random, daily=own) for _ in range(30)]
    apart = [rows(random, related=0.0, daily=own) for _ in range(5)]
    assert sum(map(bool, alarms(days, still))) <= 2, "of 30 that one in ninety may"
    assert all(said[0].startswith("n0 and n1: rank correlation ") for said in alarms(days, apart))
    assert all(said[0].endswith(", was 0.68") or own for said in alarms(days, apart))
    assert sum(map(bool, alarms(days, apart, pairs=False))) <= 1


def test_what_moves_by_itself_takes_its_relations_along() -> None:
    random = np.random.default_rng(4)
    days = trained(random)
    [said] = alarms(days, [rows(random, related=0.0).with_columns(pl.col("n0") + 3)])
    assert [each.partition(":")[0] for each in said] == ["n0"]


def test_only_two_columns_that_answers_heed_and_windows_know_go_together() -> None:
    random = np.random.default_rng(5)
    days = trained(random)
    known = products(rows(random).select(NAMES), days.profile)
    assert together(days, NAMES, None, {}) is None
    assert together(days, ["n3"], known, {}) is None
    assert together(days, NAMES, known, {"n0": 1.0, **dict.fromkeys(NAMES[1:], 0.001)}) is None
    heeded = together(days, ["n1", "n0", "n5"], known, {"n5": 0.001})
    assert heeded
    assert heeded.names == ("n0", "n1")
    old = msgspec.json.decode(msgspec.json.encode(replace(days, pairs=Pairs())), type=Days)
    assert together(old, NAMES, known, {}) is None, "a version that was published before"


def test_missing_and_constant_values_are_known_for_what_they_are() -> None:
    random = np.random.default_rng(6)
    past = pl.concat([rows(random, day, count=200) for day in range(3)])
    holes = pl.Series(random.random(past.height) < 0.4)
    past = past.with_columns(
        n0=pl.when(holes).then(None).otherwise("n0"), n1=pl.when(~holes).then("n1"), n2=pl.lit(1.0)
    )
    reference = profile(past, NAMES)
    days = daily(past, "at", reference)
    assert days.pairs.names == ("n0", "n1", *NAMES[3:]), "a constant goes together with nothing"
    _, each, spread = of_days(days.pairs, ["n0", "n1", "n4"])
    assert each[:, 0] == pytest.approx(0.67, abs=0.15)
    assert spread[1] == pytest.approx(1.0, abs=0.1), "missing values scatter no more than others"
    few = past.head(100).with_columns(n0=pl.when(pl.int_range(100) % 9 == 0).then(2.0 + pl.col("n5") / 1e3))
    found = products(few, reference)
    assert found
    assert np.abs(correlations(found, ["n0", "n4"])) < 0.3, "few values that are nearly the same tell nothing"
    empty = past.with_columns(n0=pl.lit(None, dtype=pl.Float64))
    found = products(empty, reference)
    assert found
    assert np.isnan(correlations(found, ["n0", "n1", "n4"])).tolist() == [True, True, False]


def test_an_alarm_names_the_pair_that_came_apart_and_since_when() -> None:
    random = np.random.default_rng(7)
    store, blobs, clock, log = MemoryStore(), MemoryBlobs(), FixedClock(BEGIN), MemoryLog()
    version, days = Delivered(store, blobs, clock).version(), trained(random)
    with store.begin() as tx:
        signature = replace(
            version.signature, inputs=tuple(Column(name=name, dtype="float") for name in NAMES)
        )
        kept = blobs.put(msgspec.json.encode(days))
        tx.put(replace(version, signature=signature, profile=days.profile, days=kept, influence={}))
    monitoring, judge = Monitoring(store, blobs, log, clock), Alarms(store, blobs)
    for day, related in enumerate((0.7, 0.7, 0.0)):
        for part in range(2):
            asked = rows(random, count=250, related=related).drop("at").to_dict(as_series=False)
            log.files["a"].append(
                LogRecord(
                    ids=tuple(f"{day}/{part}/{index}" for index in range(250)),
                    time=clock.now(),
                    model="delay",
                    environment="production",
                    version=version.number,
                    variant="champion",
                    inputs=asked,
                    score=(0.5,) * 250,
                    label=("",) * 250,
                )
            )
            monitoring.tick(clock.now())
        judge.tick(clock.advance(DAY))
    with store.read() as reader:
        [alarm], windows = reader.find(Alarm, what="inputs"), reader.find(Window, order="start")
        assert reader.get(Version, version.id).profile.products is None
    assert [moved.column for moved in alarm.columns] == ["n0 and n1"]
    assert alarm.since == windows[-1].start
    assert "since 2013-01-03: n0 and n1: rank correlation " in alarm.why
    assert alarm.why.endswith(" without change)")

"""A request gives an entity in place of features: what stands online of it is what the model is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from msgspec.structs import replace

from penstock.adapters.online.sqlite import SqliteOnline
from penstock.adapters.predictor.http import Request
from penstock.adapters.predictor.kept import PlanFile
from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.past import JsonlPredictionLog
from penstock.adapters.predictor.server import Server
from penstock.adapters.predictor.table import FEW, Table
from penstock.datasets.types import Column
from penstock.features.records import encode_record, entity_key
from penstock.features.types import Computed, OnlineView, Origins
from penstock.serving.types import Challenger, LogRecord, Plan
from penstock.testing.asked import asked
from penstock.testing.contracts.prediction import NOON, plan
from penstock.testing.fakes import MemoryBlobs
from penstock.testing.tiny_onnx import sigmoid_version

WEATHER = OnlineView(
    id="flights:production:weather",
    name="weather",
    entity=(Column(name="origin", dtype="string"),),
    features=("wind",),
    ttl=3 * 3600.0,
)
FLEET = OnlineView(
    id="flights:production:fleet",
    name="fleet",
    entity=(Column(name="tail", dtype="int"), Column(name="origin", dtype="string")),
    features=("carrier",),
)
NULL = pytest.approx(0.5)


class Tower:
    """A server whose model takes the wind at an origin and the carrier of a tail."""

    def __init__(self, folder: Path) -> None:
        self.blobs = MemoryBlobs()
        self.kept, self.folder = PlanFile(folder), folder / "predictions"
        self.online = SqliteOnline(folder / "online.db")
        self.table = Table(self.blobs, self.kept, self.online)
        self.log = LogWriter(self.folder)
        self.server = Server(self.table, self.log, "key")
        self.serve(WEATHER, FLEET)
        self.write(WEATHER, ("JFK",), NOON - timedelta(minutes=5), {"wind": 2})
        self.write(WEATHER, ("LGA",), NOON - timedelta(hours=3, seconds=1), {"wind": 1.0})
        self.write(WEATHER, ("EWR",), NOON - timedelta(hours=3), {"wind": float("nan")})
        self.write(WEATHER, ("SOON",), NOON + timedelta(seconds=1), {"wind": 9.0})
        self.write(FLEET, (7, "JFK"), NOON - timedelta(days=400), {"carrier": "UA"})

    def serve(self, *views: OnlineView, **changed: Any) -> None:
        version = replace(sigmoid_version(self.blobs, 1), origins=Origins(views=views))
        self.follow(plan(1, replace(version, **changed)))

    def follow(self, wanted: Plan) -> None:
        self.kept.save(wanted)
        self.table.resume()

    def write(self, view: OnlineView, who: tuple[Any, ...], when: datetime, values: dict[str, Any]) -> None:
        key = entity_key([column.name for column in view.entity], who)
        moment = round(when.timestamp() * 1e6)
        self.online.write(view.id, [(key, encode_record(moment, moment, values))])

    def ask(self, *rows: dict[str, Any]) -> Any:
        request = Request("POST", "/predict/delay", headers={}, body=msgspec.json.encode({"rows": rows}))
        return msgspec.json.decode(asked(self.server.answer, request).body)

    def logged(self) -> list[LogRecord]:
        self.log.flush()
        log = JsonlPredictionLog(self.folder)
        return [record for segment in log.segments() for record in log.read(segment, 0, 100)[0]]


@pytest.fixture
def tower(tmp_path: Path) -> Iterator[Tower]:
    made = Tower(tmp_path)
    yield made
    made.server.close()
    made.log.close()
    made.online.close()


def test_what_stands_online_counts_by_the_rules_of_the_join_and_its_age_is_told(tower: Tower) -> None:
    rows = [{"origin": name, "carrier": "UA"} for name in ("JFK", "LGA", "EWR", "SOON", "BOS", None)]
    told = tower.ask(*rows)["rows"]
    assert [row["score"] for row in told] == [pytest.approx(0.8808, abs=1e-4), *[NULL] * 5]
    assert [row["features"]["weather"] for row in told] == [
        {"status": "PRESENT", "age": 300.0},
        {"status": "OUTSIDE_MAX_AGE", "age": 10801.0},
        {"status": "PRESENT", "age": 10800.0},
        *[{"status": "NOT_FOUND", "age": None}] * 3,
    ]


def test_what_a_row_gives_is_taken_as_it_is_and_each_entity_is_read_once(
    tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Any] = []
    read = tower.online.read
    monkeypatch.setattr(
        tower.online, "read", lambda keys, views: (reads.append((len(keys), views)), read(keys, views))[1]
    )
    assert "features" not in tower.ask({"wind": 2.0, "carrier": "UA", "tail": 7, "origin": "JFK"})["rows"][0]
    assert not reads
    told = tower.ask(
        {"tail": 7, "origin": "JFK"},
        {"tail": 7, "origin": "JFK", "wind": None},
        {"carrier": "AA", "origin": "JFK", "tail": None},
    )["rows"]
    assert [row["score"] for row in told] == [
        pytest.approx(0.8808, abs=1e-4),
        NULL,
        pytest.approx(0.8808, abs=1e-4),
    ]
    assert [row["features"]["weather"]["status"] for row in told] == ["PRESENT", "GIVEN", "PRESENT"]
    assert sorted(reads) == [(3, [FLEET.id]), (3, [WEATHER.id])]


def test_a_few_entities_are_read_at_once_where_the_store_is_at_hand_and_others_aside(
    tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[bool] = []
    read = tower.online.read

    def noting(keys: Any, views: Any) -> Any:
        threads.append(threading.current_thread() is threading.main_thread())
        return read(keys, views)

    monkeypatch.setattr(tower.online, "read", noting)
    row = {"origin": "JFK", "carrier": "UA"}
    tower.ask(row)
    tower.ask(*[row] * (FEW + 1))
    assert threads == [True, False]
    monkeypatch.setattr(tower.online, "at_hand", lambda: False)
    tower.ask(row)
    assert threads == [True, False, False]


def test_the_log_holds_what_was_found_and_by_which_key(tower: Tower) -> None:
    tower.ask({"tail": 7, "origin": "JFK"}, {"wind": 1.0, "carrier": "AA"})
    [record] = tower.logged()
    assert record.inputs == {"wind": [2, 1.0], "carrier": ["UA", "AA"]}
    weather, fleet = record.lookups["weather"], record.lookups["fleet"]
    assert (weather.time, weather.event) == (NOON, [NOON - timedelta(minutes=5), None])
    assert (weather.key, weather.status) == ({"origin": ["JFK", None]}, ["PRESENT", "GIVEN"])
    assert fleet.key == {"tail": [7, None], "origin": ["JFK", None]}
    tower.log.close()
    log = JsonlPredictionLog(tower.folder)
    log.pack(log.segments()[0])
    packed = pl.read_parquet(f"{tower.folder}/packed/**/*.parquet", hive_partitioning=False)
    assert packed["event.weather"].to_list() == weather.event
    assert packed["key.tail"].to_list() == [7, None]
    assert packed.schema["key.tail"] == pl.Int64
    assert packed["status.weather"].to_list() == ["PRESENT", "GIVEN"]
    day = NOON.date()
    assert log.table("delay", "production", day, day + timedelta(days=1)).collect().height == 2
    assert log.table("delay", "production", day + timedelta(days=1), day).collect().is_empty()


def test_a_challenger_with_a_view_of_its_own_reads_it_itself(tower: Tower) -> None:
    known = [
        replace(sigmoid_version(tower.blobs, number), origins=Origins(views=(WEATHER, FLEET)))
        for number in (1, 2)
    ]
    known[1] = replace(known[1], origins=Origins(views=(replace(WEATHER, ttl=60.0), FLEET)))
    two = plan(1, *known)
    rival = Challenger(contest="c", number=2, share=100)
    tower.follow(replace(two, models=(replace(two.models[0], challengers=(rival,)),)))
    told = tower.ask({"tail": 7, "origin": "JFK"})
    assert (told["version"], told["rows"][0]["score"]) == (2, NULL)
    assert told["rows"][0]["features"]["weather"]["status"] == "OUTSIDE_MAX_AGE"
    assert tower.logged()[0].inputs["wind"] == [None]


def test_what_is_missing_is_refused_where_that_was_declared_or_the_model_takes_no_null(tower: Tower) -> None:
    told = tower.ask({"tail": 8, "origin": "JFK"})["error"]
    assert told == (
        "Nothing of fleet counts for row 0 (tail=8, origin=JFK): expected a value of carrier; found none. "
        "Give carrier in the row."
    )
    tower.serve(replace(WEATHER, required=True))
    told = tower.ask({"origin": "JFK", "carrier": "UA"}, {"origin": "LGA", "carrier": "UA"})["error"]
    assert (
        "weather counts for row 1 (origin=LGA): expected a value of wind, at most 3h old; found 3h1s" in told
    )
    assert not tower.logged()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"carrier": "UA"},
            "Row 0 has neither the features of weather nor the entity they are of: expected wind",
        ),
        (
            {"origin": "JFK"},
            "expected carrier; or tail and origin, by which they are looked up; found origin",
        ),
        ({"origin": "JFK", "tail": "seven"}, "`tail` has an impossible value: expected whole numbers"),
        ({"origin": "JFK", "tail": [7]}, "'tail' holds a value that it may not"),
        ({"origin": {"is": "JFK"}, "tail": 7}, "found {'is': 'JFK'} in row 0."),
        ({"origin": "JFK", "tail": 7, "wnd": 3}, "The model has no column 'wnd'"),
        ({"origin": "JFK", "tail": 7, "wind": "much"}, "'wind'"),
    ],
)
def test_a_wrong_row_is_told_in_a_sentence(tower: Tower, row: dict[str, Any], said: str) -> None:
    assert said in tower.ask(row)["error"]


def test_before_anything_is_online_all_columns_are_asked_for(tower: Tower) -> None:
    tower.serve()
    assert "lacks columns of the model" in tower.ask({"carrier": "UA"})["error"]


def test_features_are_computed_of_what_a_row_gives_and_what_stands_online(tower: Tower) -> None:
    windy = replace(WEATHER, features=("gust",))
    tower.write(windy, ("JFK",), NOON, {"gust": 6})
    tower.write(windy, ("LGA",), NOON, {"gust": None})
    made_of = (Column(name="gust", dtype="int"), Column(name="share", dtype="float"))
    computed = (Computed(name="wind", text="gust / share", of=("gust", "share")),)
    served = replace(sigmoid_version(tower.blobs, 1))
    origins = Origins(views=(windy,), computed=computed, made_of=made_of)
    tower.follow(plan(1, replace(served, origins=origins)))
    told = tower.ask(
        {"origin": "JFK", "share": 3, "carrier": "UA"},
        {"gust": 4, "share": 2.0, "carrier": "UA"},
        {"wind": 2.0, "carrier": "UA"},
        {"origin": "LGA", "share": 3, "carrier": "UA"},
        {"gust": 4, "share": 0, "carrier": "UA"},
    )["rows"]
    assert [row["score"] for row in told] == [pytest.approx(0.8808, abs=1e-4)] * 3 + [NULL] * 2
    assert [row["features"]["weather"]["status"] for row in told] == [
        "PRESENT",
        *["GIVEN"] * 2,
        "PRESENT",
        "GIVEN",
    ]
    assert tower.logged()[0].inputs["wind"] == [2.0, 2.0, 2.0, None, None]
    assert tower.ask({"gust": 4, "share": 2.0, "carrier": "UA"})["rows"][0]["score"] > 0.88  # nothing to read
    assert (
        "neither wind nor what it is computed of: expected wind; or share"
        in tower.ask({"origin": "JFK", "carrier": "UA"})["error"]
    )
    assert "'share'" in tower.ask({"origin": "JFK", "carrier": "UA", "share": "much"})["error"]

"""Raw CSV rows become UTC rows with one name each, a label, and the time it was known."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from flights.data import MONTHS, flight_table, weather_table, write_months

FLIGHT = {
    "dep_time": 517,
    "dep_delay": 2,
    "arr_delay": 11,
    "carrier": "UA",
    "flight": 1545,
    "tailnum": "N14228",
    "origin": "EWR",
    "dest": "IAH",
    "air_time": 227,
    "distance": 1400,
    "minute": 15,
    "time_hour": "2013-01-01T10:00:00Z",
}
WEATHER = {
    "origin": "EWR",
    "time_hour": "2013-01-01T06:00:00Z",
    "temp": 39.02,
    "dewp": 26.06,
    "humid": 59.37,
    "wind_speed": 10.4,
    "wind_gust": None,
    "precip": 0.0,
    "pressure": 1012.0,
    "visib": 10.0,
}


def raw(row: dict[str, object], *changes: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame([row | change for change in changes], infer_schema_length=None)


def test_a_flight_keeps_the_clock_of_new_york_beside_utc() -> None:
    winter, summer = flight_table(raw(FLIGHT, {}, {"time_hour": "2013-07-01T03:00:00Z"})).rows(named=True)
    assert winter["departs_at"] == datetime(2013, 1, 1, 10, 15, tzinfo=UTC)
    assert (winter["hour"], winter["minute"], winter["weekday"]) == (5, 15, 2)
    assert summer["departs_at"] == datetime(2013, 7, 1, 3, 15, tzinfo=UTC)
    assert (summer["hour"], summer["minute"], summer["weekday"]) == (23, 15, 7)
    assert winter["flight_id"] == "2013-01-01-UA-1545-EWR-0515"
    assert summer["flight_id"] == "2013-06-30-UA-1545-EWR-2315"


@pytest.mark.parametrize(("delay", "late"), [(-20, False), (15, False), (16, True)])
def test_late_means_more_than_15_minutes(delay: int, late: bool) -> None:
    assert flight_table(raw(FLIGHT, {"arr_delay": delay}))["late"].to_list() == [late]


def test_the_outcome_is_known_after_landing() -> None:
    row = flight_table(raw(FLIGHT, {"dep_delay": 30, "air_time": 60})).row(0, named=True)
    assert row["known_at"] == datetime(2013, 1, 1, 13, 15, tzinfo=UTC)


def test_a_flight_that_never_arrives_has_no_label_and_is_given_up_after_six_hours() -> None:
    gone = {"dep_time": None, "dep_delay": None, "air_time": None, "arr_delay": None}
    row = flight_table(raw(FLIGHT, {}, gone | {"flight": 2})).row(1, named=True)
    assert row["late"] is None
    assert row["known_at"] == datetime(2013, 1, 1, 16, 15, tzinfo=UTC)


def test_twins_get_different_names_whatever_the_order_of_rows() -> None:
    rows = raw(FLIGHT, {"dest": "IAH"}, {"dest": "ORD"})
    table = flight_table(rows)
    assert dict(table.select("dest", "flight_id").iter_rows()) == {
        "IAH": "2013-01-01-UA-1545-EWR-0515",
        "ORD": "2013-01-01-UA-1545-EWR-0515-2",
    }
    assert flight_table(rows.reverse()).equals(table)


def test_weather_is_known_when_observed_and_counted_once_per_airport_and_hour() -> None:
    table = weather_table(raw(WEATHER, {}, {"temp": 50.0}, {"origin": "JFK"}))
    assert table["origin"].to_list() == ["EWR", "JFK"]
    assert table["temp"].to_list() == [39.02, 39.02]
    assert table["observed_at"].to_list() == [datetime(2013, 1, 1, 6, tzinfo=UTC)] * 2
    assert table["known_at"].equals(table["observed_at"].rename("known_at"))


def test_months_are_those_of_new_york_and_no_partial_file_stays(tmp_path: Path) -> None:
    table = flight_table(raw(FLIGHT, {}, {"time_hour": "2013-07-01T03:00:00Z"}))
    write_months(table, "departs_at", tmp_path / "flights")
    files = sorted((tmp_path / "flights").iterdir())
    assert [file.name for file in files] == [f"{month}.parquet" for month in MONTHS]
    assert pl.read_parquet(files[5])["flight_id"].to_list() == ["2013-06-30-UA-1545-EWR-2315"]

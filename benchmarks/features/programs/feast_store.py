"""Feast, set up as its documentation shows: `feast_store.py WORK FOLDER STORE [RESULT]`.

`join` makes training rows and keeps them as RESULT; `materialize` fills the online store with all entities of
all views; `online` reads one entity again and again. STORE is where training rows come from, `duckdb` or
`file`, or `redis:PORT` for online values there. The folder is ready for `feast serve`.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64
from told import tell

READS = 2000
SETTINGS = """project: bench
provider: local
registry: registry.db
entity_key_serialization_version: 3
offline_store: {{type: {offline}}}
online_store: {online}
"""
ONLINE = {
    "sqlite": "{type: sqlite, path: online.db}",
    "redis": "{type: redis, connection_string: 'localhost:%s'}",
}


def declared(folder: Path) -> list[object]:
    """The entity, the views of the files that there are, and a service of all of them."""
    who = Entity(name="who", join_keys=["entity"], value_type=ValueType.INT64)
    views = []
    for file in sorted(folder.glob("view*.parquet")):
        number = file.stem.removeprefix("view")
        fields = [Field(name=f"f{number}_{each}", dtype=Float64) for each in range(width(file))]
        source = FileSource(path=str(file), timestamp_field="event_timestamp")
        views.append(
            FeatureView(name=file.stem, entities=[who], ttl=timedelta(days=2), schema=fields, source=source)
        )
    return [who, *views, FeatureService(name="all", features=views)]


def width(file: Path) -> int:
    """How many features a file has."""
    import pyarrow.parquet as pq

    return len([name for name in pq.read_schema(file).names if name.startswith("f")])


def store(folder: Path, kind: str) -> FeatureStore:
    """A store of its own beside the data, with all that is declared."""
    online, _, port = kind.partition(":")
    place = folder / f"feast-{online}"
    place.mkdir(exist_ok=True)
    settings = SETTINGS.format(
        offline="file" if kind == "file" else "duckdb",
        online=ONLINE["redis"] % port if online == "redis" else ONLINE["sqlite"],
    )
    (place / "feature_store.yaml").write_text(settings, encoding="utf-8")
    made = FeatureStore(repo_path=str(place))
    made.apply(declared(folder))
    return made


def join(made: FeatureStore, folder: Path, result: str) -> None:
    """Training rows; a few of them first, so that nothing is counted that is done once in a process."""
    spine = pd.read_parquet(folder / "spine.parquet")
    service = made.get_feature_service("all")

    def rows(part: pd.DataFrame) -> object:
        return made.get_historical_features(entity_df=part, features=service).to_arrow()

    rows(spine.head(100))
    table = tell(lambda: rows(spine))
    import pyarrow.parquet as pq

    pq.write_table(table, result)


def online(made: FeatureStore) -> None:
    """The median of many reads of an entity, in microseconds; and what the first ten have."""
    service = made.get_feature_service("all")
    taken = []
    for number in range(READS):
        started = time.perf_counter()
        made.get_online_features(features=service, entity_rows=[{"entity": number % 1000}]).to_dict()
        taken.append((time.perf_counter() - started) * 1e6)
    rows = [{"entity": number} for number in range(10)]
    found = made.get_online_features(features=service, entity_rows=rows).to_dict()
    values = {name: found[name] for name in found if name.startswith("f")}
    print(json.dumps({"read": median(taken), "values": values}))


if __name__ == "__main__":
    work, place, kind, *more = sys.argv[1:]
    opened = store(Path(place), kind)
    if work == "join":
        join(opened, Path(place), *more)
    elif work == "materialize":
        end = datetime.now(UTC)
        tell(lambda: opened.materialize(end - timedelta(days=90), end))
    elif work == "online":
        online(opened)

"""Penstock's online store: `penstock_online.py materialize|online|predictions|system FOLDER [PORT]`.

`materialize` brings the newest values of all entities of the first view from its file to the store, as a run
and the system do; `online` reads one entity again and again; `predictions` answers over HTTP as the
prediction process does, `system` as the control process.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

import polars as pl
import uvicorn
from penstock_views import VIEWS
from told import tell

from penstock.adapters.online.sqlite import SqliteOnline
from penstock.adapters.predictor.kept import PlanFile
from penstock.adapters.predictor.process import PredictorProcess
from penstock.app.home import Home
from penstock.app.wiring import App
from penstock.datasets.columns import column_type
from penstock.datasets.types import Column
from penstock.features.latest import EVENT, KNOWN, latest, rows_to_keep
from penstock.features.made import Made
from penstock.features.reading import Wanted, read_online, read_records, together
from penstock.features.records import standing
from penstock.features.service import AT_ONCE
from penstock.features.types import Materialization, OnlineView
from penstock.pipelines.loading import draw_target
from penstock.testing.delivery import CONFIG, Delivered
from penstock.web.site import create_web

READS = 5000
VIEW = VIEWS[0]
ID = f"flights:test:{VIEW.settings.name}:{'0' * 12}"
"""Of a version of the view in an environment, as long as they are."""


def materialize(folder: Path, online: SqliteOnline, name: str = ID) -> pl.DataFrame:
    """The newest values, kept under a name; gives them."""
    made = Made(VIEW, pl.scan_parquet(folder / f"{VIEW.settings.source.name}.parquet"))
    table = latest(VIEW.settings, made.timeline())
    for part in table.iter_slices(AT_ONCE):
        online.write(name, rows_to_keep(VIEW.settings.entity, part))
    return table


def columns(folder: Path) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """The columns of the entity and of the features that were materialised."""
    schema = pl.read_parquet_schema(folder / "newest.parquet")
    found = [
        Column(name=name, dtype=column_type(kind))
        for name, kind in schema.items()
        if name not in {EVENT, KNOWN}
    ]
    return tuple(found[:1]), tuple(found[1:])


def read(folder: Path, online: SqliteOnline) -> None:
    """The median of many reads of an entity, in microseconds, as the prediction process reads them.

    And what the first ten have, as clients of Feast are answered.
    """
    entity, features = columns(folder)
    names = tuple(column.name for column in features)
    view = OnlineView(id=ID, name="view0", entity=entity, features=names, ttl=VIEW.settings.ttl)
    wanted = together([Wanted(view, name) for name in names])
    taken = []
    for number in range(READS):
        started = time.perf_counter()
        record = read_records(online, [view], {"entity": [number % 1000]})[ID][0]
        assert standing(record, view.ttl, datetime.now(UTC)) != "NOT_FOUND"
        taken.append((time.perf_counter() - started) * 1e6)
    found = read_online(online, wanted, {"entity": list(range(10))}, datetime.now(UTC))
    values = {name: each.values for name, each in zip(names, found, strict=True)}
    print(json.dumps({"read": median(taken), "values": values}))


def deployed(folder: Path) -> App:
    """A system on a home in which the view is deployed."""
    app, now = App(Home(folder / "home")), datetime.now(UTC)
    project = Delivered(app.store, app.blobs, app.clock)
    graph = draw_target("penstock_pipeline:train", Path(__file__).parent)
    project.release("c1", CONFIG.replace("[[triggers]]", "run = false\n[[triggers]]", 1), graph)
    project.move("dev", "c1")
    app.releases.tick(now)
    placed = next(each for each in app.features.placed() if each.view.name == VIEW.settings.name)
    entity, features = columns(folder)
    with app.store.begin() as tx:
        tx.add(
            Materialization(
                id=placed.id, project="flights", environment="test", view=placed.view.name,
                version=placed.version, as_of=now, entity=entity, features=features,
            )
        )  # fmt: skip
    materialize(folder, app.online, placed.id)
    return app


def serve(app: App, port: int) -> None:
    """The prediction process, until it is ended, with the plan that the system has for it."""
    with app.store.read() as reader:
        PlanFile(app.home.folder).save(app.rollouts.desired_plan(reader))
    process = PredictorProcess(app.home.folder, port)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    process.start()
    signal.sigwait({signal.SIGTERM})
    process.stop()


if __name__ == "__main__":
    work, place, *more = sys.argv[1:]
    here = Path(place)
    if work == "predictions":
        serve(deployed(here), int(more[0]))
    elif work == "system":
        web = create_web(deployed(here))
        uvicorn.run(web, port=int(more[0]), lifespan="off", log_config=None, access_log=False)
    else:
        kept = SqliteOnline(here / "online.db")
        if work == "materialize":
            tell(partial(materialize, here, kept)).write_parquet(here / "newest.parquet")
        else:
            read(here, kept)
        kept.close()

"""Online values are kept by version of a view: each served version reads what it was trained on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest
from msgspec.structs import replace

from penstock.app.api import call
from penstock.app.home import Home
from penstock.app.wiring import App
from penstock.builds.types import Release
from penstock.datasets.profiles import profile
from penstock.datasets.types import Column
from penstock.features.decide import GRACE, left, needed, removable
from penstock.features.records import entity_key
from penstock.features.types import Materialization, OnlineView, Origins
from penstock.models.decide import draft
from penstock.models.types import Model, Placement, Signature, Version
from penstock.pipelines.loading import draw_target
from penstock.pipelines.types import Candidate
from penstock.runs.types import Run, Workspace
from penstock.serving.lookups import Keyed, filled
from penstock.serving.types import ServedVersion
from penstock.testing.delivery import CONFIG, Delivered

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MODULE = """
import polars as pl
from penstock import feature_view, files, pipeline, step, training_rows

orders = files("orders.csv", event_time="at", key="order")
visits = files("visits.csv", event_time="at")


@feature_view(entity="shop", source=visits, freshness="1h")
def footfall(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("shop", "at", visitors=pl.col("people") * FACTOR)


@step
def fit(rows: pl.DataFrame) -> float:
    return 1.0


@pipeline
def train():
    return fit(training_rows(orders, [footfall], label="late", holdout="1d").train)
"""
RULES = CONFIG.replace("[[triggers]]", "run = false\n[[triggers]]", 1).replace(
    'branch = "dev" }', 'branch = "dev" }\nserve = true'
)
READ = OnlineView(name="footfall", entity=(Column(name="shop", dtype="string"),), features=("visitors",))
VISITORS = Column(name="visitors", dtype="int", nullable=True)


class Shop:
    """A home in which releases with other definitions of a view follow each other."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.folders = folder, dict[str, Path]()
        self.app = App(Home(folder / "home"), virtual=NOON)
        self.project = Delivered(self.app.store, self.app.blobs, self.app.clock)
        self.visits = folder / "visits.csv"
        self.visits.write_text("shop,at,people\na,2024-01-01 10:00,3\nb,2024-01-01 11:00,1\n")

    def deploy(self, factor: int) -> Release:
        """A release whose view counts every visitor so often."""
        code = self.folder / f"x{factor}"
        (code / "booth").mkdir(parents=True)
        (code / "booth" / "__init__.py").touch()
        (code / "booth" / "views.py").write_text(MODULE.replace("FACTOR", str(factor)))
        graph = draw_target("booth.views:train", code)
        sys.path.remove(str(code))
        for name in [name for name in sys.modules if name.partition(".")[0] == "booth"]:
            del sys.modules[name]
        made = self.project.release(f"c{factor}", RULES, graph)
        self.folders[made.id] = code
        self.project.move("dev", made.commit)
        self.app.releases.tick(self.app.clock.now())
        return made

    def workspace(self, release: Release, _environment: str = "") -> Workspace:
        root, code = str(self.folder), str(self.folders[release.id])
        return Workspace(python=sys.executable, folder=code, data_root=root, lock="l")

    def lead(self, release: Release) -> Version:
        """A version that a run of this release has trained becomes champion, and older ones step down."""
        run = self.app.runs.submit(
            project="flights",
            pipeline="train",
            environment="test",
            graph=release.graphs[0],
            workspace=self.workspace(release),
            params={},
            release=release.id,
        )
        self.project.finish()
        candidate = Candidate(
            model="delay",
            format="onnx",
            artifact="",
            size=1,
            signature=msgspec.to_builtins(Signature(task="binary", inputs=(VISITORS,), classes=("0", "1"))),
            metrics={},
            profile=msgspec.to_builtins(profile(pl.DataFrame({"visitors": [1]}))),
            examples="",
            holdout="",
            label="late",
            parity={},
            origins=msgspec.to_builtins(Origins(views=(READ,))),
        )
        now = self.app.clock.now()
        with self.app.store.begin() as tx:
            number = tx.count(Version) + 1
            if number == 1:
                tx.add(Model(id="delay", project="flights", created=now))
            made = draft(run, candidate, [], number=number, location="", now=now, governance={})
            tx.add(made)
            tx.put(*(replace(p, role="retired") for p in tx.find(Placement, role="previous")))
        self.project.lead(made)
        return made

    def settle(self) -> None:
        for _ in range(400):
            now = self.app.clock.now()
            changed = [self.app.features.tick(now), self.app.runs.tick(now)]
            with self.app.store.read() as reader:
                active = reader.count(Run, status=("queued", "running"))
            if not any(changed) and not active:
                return
            if active:
                self.app.runs.wait(1)
        raise AssertionError("it never settles")

    def tick(self) -> bool:
        """The duty alone, while no run gets on."""
        return self.app.features.tick(self.app.clock.now())

    def served(self, number: int) -> ServedVersion:
        with self.app.store.read() as reader:
            [model] = self.app.rollouts.desired_plan(reader).models
        return next(version for version in model.versions if version.number == number)

    def reads(self, number: int) -> int:
        """How many visitors of a a version of the model is asked about."""
        keyed = Keyed([{"shop": "a"}], self.served(number))
        [value] = filled(keyed, self.app.online, self.app.clock.now(), lambda *_: {}).columns["visitors"]
        return value

    def keeps(self, views: list[str]) -> list[str]:
        """Of which views there is a record of a."""
        [found] = self.app.online.read([entity_key(("shop",), ("a",))], views)
        return [name for name, record in zip(views, found, strict=True) if record]

    def told(self) -> int:
        """What is told by the name of the view."""
        found = call(self.app, "GET", "/features/footfall/values", {"entity": "shop=a"})
        return found["features"]["visitors"]["value"]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    made = Shop(tmp_path)
    monkeypatch.setattr(made.app.features._work, "_workspace_of", made.workspace)
    yield made
    made.app.close()


def test_a_champion_reads_what_it_was_trained_on_for_as_long_as_it_answers(shop: Shop) -> None:
    twice = shop.deploy(2)
    first = shop.lead(twice)
    shop.settle()
    assert (shop.reads(1), shop.told()) == (6, 6)
    tenfold = shop.deploy(10)
    assert shop.reads(1) == 6
    with shop.visits.open("a") as file:
        file.write("a,2024-01-01 12:30,5\n")
    shop.app.advance(NOON + HOUR)
    shop.settle()
    assert (shop.reads(1), shop.told()) == (10, 50), "each is made by the release that has it"
    listed = call(shop.app, "GET", "/features", {})["items"]
    assert [(each["deployed"], each["readers"]) for each in listed] == [(True, ()), (False, ("delay@1",))]

    shop.lead(tenfold)
    shop.lead(tenfold)
    old, new = (shop.served(number).origins.views[0].id for number in (1, 2))
    assert shop.tick()
    assert (shop.reads(1), shop.reads(3)) == (10, 50)
    assert not shop.tick()
    shop.app.advance(NOON + HOUR + GRACE)
    assert shop.tick()
    assert not shop.served(1).origins.views, "nobody is told of values that are about to go"
    assert shop.keeps([old, new]) == [old, new]
    while shop.tick():
        pass
    assert shop.keeps([old, new]) == [new]
    with shop.app.store.read() as reader:
        assert [event.subject for event in reader.events(kind="features.removed")] == [f"features:{old}"]

    placed = shop.app.rollouts.promote("delay", first.number, "test", "ada")
    assert placed.role == "candidate", "it is asked for features that are not there"
    assert shop.tick()
    with shop.app.store.read() as reader:
        state = reader.get(Materialization, old)
    assert state.run
    assert state.full
    assert state.unneeded is None


def test_values_go_in_two_steps_and_come_back_whole() -> None:
    state = Materialization(
        id="p:e:v:1", project="p", environment="e", view="v", version="1", as_of=NOON, table="t", contents="c"
    )
    assert needed(state) == state
    idle = left(replace(state, run="7", asked=True), NOON)
    assert idle == replace(state, unneeded=NOON)
    assert left(idle, NOON + GRACE - timedelta(seconds=1)) == idle
    assert not removable(idle)
    assert needed(idle) == replace(state, asked=True)
    going = left(idle, NOON + GRACE)
    assert (going.as_of, going.table, removable(going)) == (None, "", True)
    assert left(going, NOON + 2 * GRACE) == going
    assert not removable(replace(going, contents=""))

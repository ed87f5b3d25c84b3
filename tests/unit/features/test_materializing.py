"""The newest values of deployed views come to the online store, by runs in workers of their release."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from penstock.app.api import call
from penstock.app.home import Home
from penstock.app.wiring import App
from penstock.core.errors import Busy, InvalidValue, NotFound, StorageFailed
from penstock.features import service
from penstock.features.types import Materialization
from penstock.pipelines.loading import draw_target
from penstock.revisions.types import Project
from penstock.runs.types import Run, Workspace
from penstock.testing.delivery import CONFIG, Delivered

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
MODULE = '''
import polars as pl
from penstock import feature_view, files, pipeline, publish, step, training_rows

orders = files("orders.csv", event_time="at", key="order")
visits = files("visits.csv", event_time="at")


@feature_view(
    entity="shop", source=visits, ttl="5h", freshness="1h", owner="grace", tags=["web"], pii=["visitors"]
)
def footfall(rows: pl.LazyFrame) -> pl.LazyFrame:
    """How many came in."""
    return rows.select("shop", "at", visitors=pl.col("people") * 2)


@step
def fit(rows: pl.DataFrame) -> float:
    return 1.0


@pipeline
def train():
    return fit(training_rows(orders, [footfall], label="late", holdout="1d").train)
'''


class Shop:
    """A home with a release deployed, whose ticks the test calls."""

    def __init__(self, folder: Path, module: str = MODULE) -> None:
        (folder / "kiosk").mkdir()
        (folder / "kiosk" / "__init__.py").touch()
        (folder / "kiosk" / "views.py").write_text(module)
        self.visits = folder / "visits.csv"
        self.visits.write_text(
            "shop,at,people\na,2024-01-01 08:00,1\nb,2024-01-01 09:00,2\n"
            "a,2024-01-01 10:00,3\nc,2024-01-01 02:00,4\n"
        )
        self.folder = folder
        self.app = App(Home(folder / "home"), virtual=NOON)
        _forget()
        graph = draw_target("kiosk.views:train", folder)
        sys.path.remove(str(folder))
        project = Delivered(self.app.store, self.app.blobs, self.app.clock)
        project.release("c1", CONFIG.replace("[[triggers]]", "run = false\n[[triggers]]", 1), graph)
        project.move("dev", "c1")
        self.app.releases.tick(NOON)

    def workspace(self) -> Workspace:
        return Workspace(python=sys.executable, folder=str(self.folder), data_root=str(self.folder), lock="l")

    def settle(self, most: int = 400) -> None:
        for _ in range(most):
            now = self.app.clock.now()
            changed = [self.app.features.tick(now), self.app.runs.tick(now)]
            with self.app.store.read() as reader:
                active = reader.count(Run, status=("queued", "running"))
            if not any(changed) and not active:
                return
            if active:
                self.app.runs.wait(1)
        raise AssertionError("it never settles")

    def standing(self) -> Materialization:
        return self.app.features.standing(self.app.features.placed()[0])

    def value(self, shop: str) -> tuple[object, str]:
        told = call(self.app, "GET", "/features/footfall/values", {"entity": f"shop={shop}"})
        return told["features"]["visitors"]["value"], told["features"]["visitors"]["status"]


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop with online values, which nobody changes."""
    made = Shop(tmp_path_factory.mktemp("shop"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made.app.features._work, "_workspace_of", lambda *_: made.workspace())
        made.settle()
        yield made
    made.app.close()
    _forget()


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "kiosk"]:
        del sys.modules[name]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    made = Shop(tmp_path)
    monkeypatch.setattr(made.app.features._work, "_workspace_of", lambda *_: made.workspace())
    yield made
    made.app.close()
    _forget()


def test_a_view_of_pushed_rows_waits_for_the_first_of_them(tmp_path: Path) -> None:
    pushed = 'visits = events("visits", event_time="at", key="id")'
    module = MODULE.replace('visits = files("visits.csv", event_time="at")', pushed)
    shop = Shop(tmp_path, module.replace("feature_view, files", "events, feature_view, files"))
    shop.app.features._work._workspace_of = lambda *_: shop.workspace()
    with shop.app.store.begin() as tx:
        tx.add(Project(id="flights", created=NOON, data_root=str(tmp_path)))
    assert not shop.app.features.tick(NOON)
    shop.app.pushing.push("visits", [{"id": 1, "shop": "a", "at": "2024-01-01 11:00", "people": 4}])
    assert shop.app.features.tick(NOON)
    assert shop.standing().run
    shop.app.close()
    _forget()


def test_values_follow_the_source_as_fresh_as_declared_and_only_what_changed_is_written(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound, match="materialize footfall --in test"):
        shop.value("a")
    shop.settle()
    assert shop.standing().as_of == NOON
    assert [shop.value(name) for name in "abcd"] == [
        (6, "PRESENT"),
        (4, "PRESENT"),
        (None, "OUTSIDE_MAX_AGE"),
        (None, "NOT_FOUND"),
    ]
    written: list[int] = []
    write = shop.app.online.write
    monkeypatch.setattr(
        shop.app.online, "write", lambda view, rows: (written.append(len(rows)), write(view, rows))[1]
    )
    with shop.visits.open("a") as file:
        file.write("b,2024-01-01 12:30,50\nd,2024-01-01 09:30,7\nc,2024-01-01 01:00,9\n")
    shop.app.advance(NOON + timedelta(minutes=59))
    shop.settle()
    assert not written
    shop.app.advance(NOON + timedelta(hours=1))
    shop.settle()
    assert written == [2]  # c's row is older than the one that is there
    assert [shop.value(name)[0] for name in "abd"] == [6, 100, 14]
    shop.app.features.materialize("flights", "test", ["footfall"], full=True, actor="grace")
    shop.settle()
    assert written == [2, 4]
    with shop.app.store.read() as reader:
        assert [run.actor for run in reader.find(Run)] == ["penstock", "penstock", "grace"]
        assert len(reader.events(kind="features.materialized")) == 3


def test_aggregates_follow_the_clock_while_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = MODULE.replace('ttl="5h"', 'aggregates={"visitors": "sum(people) over 4h"}')
    shop = Shop(tmp_path, module.replace('visitors=pl.col("people") * 2', '"people"'))
    monkeypatch.setattr(shop.app.features._work, "_workspace_of", lambda *_: shop.workspace())
    shop.settle()
    assert [shop.value(name) for name in "abcd"] == [
        (3, "PRESENT"),
        (2, "PRESENT"),
        (0, "PRESENT"),
        (0, "NOT_FOUND"),
    ]
    shop.app.advance(NOON + timedelta(hours=1))
    assert [shop.value(name)[0] for name in "ab"] == [3, 0]
    shop.app.advance(NOON + timedelta(hours=2))
    told = call(shop.app, "GET", "/features/footfall", {})
    assert [(column["name"], column["dtype"]) for column in told["features"]] == [("visitors", "int")]
    rows = {"shop": ["a"], "visitors": [1], "at": ["2024-01-01T09:00:00"]}
    with pytest.raises(InvalidValue, match="Add the events to its source visits"):
        call(shop.app, "POST", "/write-to-online-store", {"feature_view_name": "footfall", "df": rows})
    shop.app.close()
    _forget()


def test_what_ends_in_the_middle_goes_on_where_it_was(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "AT_ONCE", 1)
    write, written = shop.app.online.write, []

    def struck(view: str, rows: list[tuple[bytes, bytes]]) -> int:
        written.append(len(rows))
        if len(written) == 3:
            raise StorageFailed(what="struck")
        return write(view, rows)

    monkeypatch.setattr(shop.app.online, "write", struck)
    with pytest.raises(StorageFailed):
        shop.settle()
    assert (shop.standing().loaded, shop.standing().rows, shop.standing().as_of) == (2, 3, None)
    shop.app.features._loading = ("", shop.app.features._loading[1])  # as a new process has it
    shop.settle()
    assert written == [1, 1, 1, 1]
    assert [shop.value(name)[0] for name in "ab"] == [6, 4]


def test_a_view_that_fails_says_why_and_is_not_tried_again_at_once(shop: Shop) -> None:
    shop.visits.write_text("shop,at\na,2024-01-01 08:00\n")
    shop.settle()
    assert "people" in shop.standing().error
    with shop.app.store.read() as reader:
        assert reader.count(Run) == 1
        assert reader.count(Materialization, run="") == 1


def test_a_view_waits_for_the_workspace_that_is_made_and_then_begins(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(*_: object) -> Workspace:
        raise Busy(what="It is made anew.")

    with monkeypatch.context() as patch:
        patch.setattr(shop.app.features._work, "_workspace_of", made)
        with pytest.raises(Busy):
            shop.app.features.tick(shop.app.clock.now())
    assert (shop.standing().run, shop.standing().error) == ("", "")
    shop.settle()
    assert shop.standing().loaded > 0


def test_views_are_listed_searched_and_asked_for_by_their_entity(shop: Shop) -> None:
    shop.settle()
    for text, found in {"grace": 1, "CAME IN": 1, "visitors": 1, "web": 1, "pii": 1, "nothing": 0}.items():
        assert len(call(shop.app, "GET", "/features", {"search": text})["items"]) == found, text
    told = call(shop.app, "GET", "/features/footfall", {})
    assert (list(told["keys"]), told["source"], told["lag"]) == (["shop"], "visits", 0.0)
    with pytest.raises(NotFound, match="Did you mean"):
        call(shop.app, "GET", "/features/footfal", {})
    with pytest.raises(InvalidValue, match="shop=VALUE"):
        call(shop.app, "GET", "/features/footfall/values", {"entity": "origin=JFK"})
    for asked, sentence in {
        "footfal": "There is no feature view 'footfal' in test. Did you mean `footfall`?",
        "nosuch": "There is no feature view 'nosuch' in test. There is `footfall`.",
    }.items():
        with pytest.raises(NotFound) as refused:
            shop.app.features.materialize("flights", "test", [asked], full=False, actor="grace")
        assert str(refused.value) == sentence
    with shop.app.store.begin() as tx:
        tx.add(Project(id="flights", created=NOON, data_root=str(shop.folder)))
    for path, wrong, said in (
        ("/features", {"environment": "nope"}, "no environment 'nope'"),
        ("/features", {"project": "nope"}, "nope"),
        ("/skews", {"view": "nosuch"}, "no feature view 'nosuch'"),
        ("/skews", {"environment": "nope"}, "no environment 'nope'"),
    ):
        with pytest.raises(NotFound, match=said):
            call(shop.app, "GET", path, wrong)
    assert not call(shop.app, "GET", "/features", {"environment": "production"})["items"]
    assert not call(shop.app, "GET", "/skews", {"view": "footfall"})["items"]


def test_clients_of_feast_read_and_write_in_its_own_words(shop: Shop) -> None:
    asked = {"features": ["footfall:visitors"], "entities": {"shop": ["a", "c", "x"]}}
    with pytest.raises(NotFound, match="materialize footfall --in test"):
        call(shop.app, "POST", "/get-online-features", asked)
    shop.settle()
    said = {"full_feature_names": False, "include_feature_view_version_metadata": False}
    told = call(shop.app, "POST", "/get-online-features", asked | said)
    assert told == {
        "metadata": {"feature_names": ["shop", "visitors"]},
        "results": [
            {
                "values": ["a", "c", "x"],
                "statuses": ["PRESENT"] * 3,
                "event_timestamps": ["1970-01-01T00:00:00Z"] * 3,
            },
            {
                "values": [6, None, None],
                "statuses": ["PRESENT", "OUTSIDE_MAX_AGE", "NOT_FOUND"],
                "event_timestamps": ["2024-01-01T10:00:00Z", "2024-01-01T02:00:00Z", "1970-01-01T00:00:00Z"],
            },
        ],
    }
    told = call(shop.app, "POST", "/get-online-features", asked | {"full_feature_names": True})
    assert told["metadata"]["feature_names"] == ["shop", "footfall__visitors"]
    times = ["2024-01-01T09:00:00", "2024-01-01T11:00:00"]
    rows = {"shop": ["a", "x"], "visitors": [1, 8], "event_timestamp": times, "created": [None, None]}
    written = call(shop.app, "POST", "/write-to-online-store", {"feature_view_name": "footfall", "df": rows})
    assert written == {"written": 1}, "that of a is older than what is there"
    assert [shop.value(name)[0] for name in "ax"] == [6, 8]


@pytest.mark.parametrize(
    ("path", "wrong", "said"),
    [
        ("/get-online-features", {"features": ["footfall"]}, "written as view:feature"),
        ("/get-online-features", {"features": ["footfal:visitors"]}, "Did you mean `footfall`"),
        ("/get-online-features", {"features": ["footfall:visitor"]}, "Did you mean `visitors`"),
        ("/get-online-features", {"entities": {"shpo": ["a"]}}, "asked by 'shop'"),
        ("/get-online-features", {"entities": {"shop": [1]}}, "impossible value: expected texts"),
        ("/get-online-features", {"entities": {"shop": ["a"], "till": []}}, "all of one length"),
        ("/get-online-features", {"entities": {"shop": "a"}}, "a list of values of shop"),
        ("/write-to-online-store", {"df": {"shop": ["a"]}}, "other columns: expected shop, at, visitors"),
        ("/write-to-online-store", {"df": {"shop": [None], "at": ["2024-01-01"], "visitors": [1]}}, "lack"),
        ("/write-to-online-store", {"df": {"shop": ["a"], "at": ["noon"], "visitors": [1]}}, "another kind"),
        (
            "/write-to-online-store",
            {"df": {"shop": ["a"], "at": ["2024-01-01"], "visitors": ["x"]}},
            "another",
        ),
    ],
)
def test_what_feast_s_clients_ask_wrongly_is_told_in_a_sentence(
    made_once: Shop, path: str, wrong: dict[str, object], said: str
) -> None:
    right: dict[str, object] = {"features": ["footfall:visitors"], "entities": {"shop": ["a"]}}
    if path == "/write-to-online-store":
        right = {"feature_view_name": "footfall"}
    with pytest.raises((InvalidValue, NotFound), match=said):
        call(made_once.app, "POST", path, right | wrong)

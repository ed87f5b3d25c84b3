"""What answers read online is compared with what training reads, day by day, by runs of the release."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from msgspec.structs import replace

from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.past import JsonlPredictionLog
from penstock.app.api import call
from penstock.app.home import Home
from penstock.app.wiring import App
from penstock.checks.shares import parse_share
from penstock.core.errors import Busy, InvalidProject, InvalidValue
from penstock.datasets import predictions
from penstock.datasets.types import Column
from penstock.features import training_set
from penstock.features.types import Aggregate, OnlineView, Origins, RowsSettings, ViewSettings, online_id
from penstock.models.types import Signature
from penstock.monitoring.logged import labelled_answers
from penstock.monitoring.types import Skew
from penstock.pipelines.features import views_in
from penstock.pipelines.loading import draw_target
from penstock.revisions.config import SKEW, parse_config
from penstock.runs.types import Run, StepRun, Workspace
from penstock.serving.answers import record_of
from penstock.serving.lookups import Keyed, filled
from penstock.serving.types import Answer, ServedVersion
from penstock.testing.delivery import CONFIG, Delivered
from penstock.web.pages import page

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
MODULE = '''
import polars as pl
from penstock import feature_view, files, pipeline, step, training_rows
from penstock.datasets import predictions

orders = files("orders.csv", event_time="at", key="order")
answers = predictions("delay")
visits = files("visits.csv", event_time="at", known_time="told")


@feature_view(entity="shop", source=visits, ttl="5h")
def footfall(rows: pl.LazyFrame) -> pl.LazyFrame:
    """How many came in."""
    return rows.select("shop", "at", "told", visitors=pl.col("people") * 2, mood=pl.col("mood"))


@step
def tell(train: pl.DataFrame, holdout: pl.DataFrame, schema: dict) -> pl.DataFrame:
    inputs = {each["name"] for each in schema["columns"]}
    assert inputs == {"visitors", "mood", "crowd"}, inputs
    [view] = schema["views"]
    assert (view["name"], view["features"]) == ("footfall", ["visitors", "mood"])
    return pl.concat([train, holdout])


@step
def fit(rows: pl.DataFrame) -> float:
    return 1.0


@pipeline
def train():
    return fit(training_rows(orders, [footfall], label="late", holdout="1d").train)


@pipeline
def again():
    rows = training_rows(answers, [footfall], label="late", holdout="30m", computed={"crowd": "visitors > 5"})
    return tell(rows.train, rows.holdout, rows.schema)
'''
VISITS = """shop,at,told,people,mood
a,2024-01-01 10:00,2024-01-01 10:00,3,good
b,2024-01-01 11:00,2024-01-01 11:00,2,bad
a,2024-01-01 12:30,2024-01-01 12:30,8,good
"""
ANSWERS = predictions("delay")
COLUMNS = (
    Column(name="visitors", dtype="int", nullable=True),
    Column(name="mood", dtype="string", nullable=True),
)


class Shop:
    """A home with a release deployed and online values, whose model answers for shops."""

    def __init__(self, folder: Path, declared: str = "") -> None:
        (folder / "parlour").mkdir()
        (folder / "parlour" / "__init__.py").touch()
        (folder / "parlour" / "views.py").write_text(MODULE)
        (folder / "visits.csv").write_text(VISITS)
        self.folder = folder
        self.app = App(Home(folder / "home"), virtual=NOON)
        graph = draw_target("parlour.views:train", folder)
        self.again = draw_target("parlour.views:again", folder)
        sys.path.remove(str(folder))
        delivered = Delivered(self.app.store, self.app.blobs, self.app.clock)
        config = CONFIG.replace("[[triggers]]", "run = false\n[[triggers]]", 1)
        config = config.replace("[models.delay]", f"[models.delay]\n{declared}")
        release = delivered.release("c1", config, graph)
        delivered.move("dev", "c1")
        self.app.releases.tick(NOON)
        version_of_view = views_in(graph)["footfall"].version
        self.view = OnlineView(
            id=online_id("flights", "test", "footfall", version_of_view),
            name="footfall",
            version=version_of_view,
            entity=(Column(name="shop", dtype="string"),),
            features=("visitors", "mood"),
            ttl=5 * 3600.0,
        )
        origins = Origins(views=(self.view,))
        trained = self.app.runs.submit(
            project="flights",
            pipeline="train",
            environment="test",
            graph=graph,
            workspace=self.workspace(),
            params={},
            release=release.id,
        )
        delivered.finish()
        version = delivered.version(environment="test")
        self.served = ServedVersion(
            number=1,
            artifact="",
            format="onnx",
            signature=Signature(task="binary", inputs=COLUMNS, classes=("False", "True")),
            examples="",
            origins=origins,
        )
        with self.app.store.begin() as tx:
            training = {"origins": msgspec.to_builtins(origins)}
            signature = self.served.signature
            tx.put(replace(version, run=trained.id, training=training, signature=signature))
        self.log = LogWriter(self.app.home.predictions)

    def workspace(self, *_: object) -> Workspace:
        return Workspace(python=sys.executable, folder=str(self.folder), data_root=str(self.folder), lock="l")

    def materialize(self) -> None:
        self.app.features.materialize("flights", "test", [], full=False, actor="grace")
        self.settle()

    def ask(self, name: str, *rows: dict[str, Any], redact: tuple[str, ...] = ()) -> None:
        now = self.app.clock.now()
        question = filled(Keyed(rows, self.served), self.app.online, now, lambda *_: {})
        answer = Answer(
            ids=tuple(f"{name}{at}" for at in range(len(rows))),
            model="delay",
            version=1,
            variant="champion",
            score=(0.5,) * len(rows),
            label=("False",) * len(rows),
        )
        self.log.append(record_of(answer, question, "test", now, redact))

    def settle(self, most: int = 400) -> None:
        self.log.flush()
        for _ in range(most):
            now = self.app.clock.now()
            duties = (self.app.monitoring, self.app.skews, self.app.features, self.app.runs)
            changed = [duty.tick(now) for duty in duties]
            with self.app.store.read() as reader:
                active = reader.count(Run, status=("queued", "running"))
            if not any(changed) and not active:
                return
            if active:
                self.app.runs.wait(1)
        raise AssertionError("it never settles")

    def skews(self) -> list[Skew]:
        with self.app.store.read() as reader:
            return reader.find(Skew, order="start")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Shop]:
    made = Shop(tmp_path, getattr(request, "param", ""))
    monkeypatch.setattr(made.app.features._work, "_workspace_of", made.workspace)
    monkeypatch.setattr(made.app.skews, "_workspace_of", made.workspace)
    yield made
    made.log.close()
    made.app.close()
    for name in [name for name in sys.modules if name.partition(".")[0] == "parlour"]:
        del sys.modules[name]


def test_lag_is_told_apart_from_what_is_wrong_and_a_failed_check_is_an_event(shop: Shop) -> None:
    shop.materialize()
    shop.ask("early", {"shop": "a"}, {"shop": "b"}, {"shop": "c"}, {"visitors": 7, "mood": "bad"})
    shop.app.advance(NOON + timedelta(hours=1))  # a has an event that the store does not know yet
    shop.ask("late", {"shop": "a"}, {"shop": "a", "mood": None}, {"shop": "b"})
    shop.settle()
    assert not shop.skews()
    shop.app.advance(NOON + timedelta(hours=13))
    shop.settle()
    [found] = shop.skews()
    assert (found.lookups, found.rows, found.lag, found.unsaid) == (6, 6, 3600.0, "")
    visitors, mood = found.columns
    assert (visitors.rows, visitors.differs, visitors.stale) == (6, 0, 2)
    assert (mood.rows, mood.differs, mood.stale) == (5, 0, 0), "one that a request gave is not compared"
    assert (found.skew, found.stale, found.failed) == (0.0, pytest.approx(1 / 3), ())

    shop.materialize()
    now = shop.app.clock.now()
    wrong = {"shop": ["b"], "visitors": [99], "mood": ["odd"], "event_timestamp": [now.isoformat()]}
    call(shop.app, "POST", "/write-to-online-store", {"feature_view_name": "footfall", "df": wrong})
    shop.ask("other", {"shop": "b"}, {"shop": "c"})
    shop.log.close()
    shop.app.advance(now + timedelta(days=1))
    shop.app.archive.tick(now)  # the answers may be packed by then
    shop.settle()
    [found] = shop.skews()[1:]
    assert (found.skew, found.stale) == (0.5, 0.0)
    assert found.failed == ("skew 0.5 is not <= 0.01",)
    with shop.app.store.read() as reader:
        [event] = reader.events(kind="skew.exceeded")
        assert event.evidence["columns"] == {"visitors": 1, "mood": 1}
        assert len(reader.events(kind="skew.measured")) == 2
    told = call(shop.app, "GET", f"/skews/{found.id}", {})
    [example, _] = told["examples"]
    assert (example["key"], example["online"], example["offline"]) == ({"shop": "b"}, 99.0, None)
    assert "footfall" in page(f"/skews/{found.id}", {}, told)
    assert [each["skew"] for each in call(shop.app, "GET", "/skews", {"view": "footfall"})["items"]] == [
        0.5,
        0.0,
    ]


def test_a_comparison_waits_for_the_workspace_that_is_made_and_then_begins(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(*_: object) -> Workspace:
        raise Busy(what="It is made anew.")

    shop.materialize()
    shop.ask("early", {"shop": "a"})
    shop.app.advance(NOON + timedelta(days=1))
    with monkeypatch.context() as patch:
        patch.setattr(shop.app.skews, "_workspace_of", made)
        with pytest.raises(Busy):
            shop.settle()
    assert not shop.skews()
    shop.settle()
    assert [found.unsaid for found in shop.skews()] == [""]


@pytest.mark.parametrize("shop", ['redact = ["mood"]'], indirect=True)
def test_what_is_redacted_is_not_compared_and_what_cannot_be_compared_says_why(shop: Shop) -> None:
    shop.materialize()
    shop.ask("some", {"shop": "a"}, redact=("mood",))
    shop.ask("none", {"shop": "b"}, redact=("shop",))
    (shop.folder / "visits.csv").write_text("shop,at\n")
    shop.app.advance(NOON + timedelta(days=1))
    shop.settle()
    [found] = shop.skews()
    assert (found.lookups, found.rows, found.skew) == (1, 1, None)
    assert found.unsaid.startswith(f"run {found.run} failed:")
    with shop.app.store.read() as reader:
        assert reader.get(Run, found.run).graph.nodes[-1].settings["features"] == ["visitors"]
        assert not reader.events(kind="skew.exceeded")


def test_shares_are_written_as_numbers_or_percentages() -> None:
    assert str(parse_share("skew <= 1%", SKEW)) == str(parse_share("skew <= 0.01", SKEW)) == "skew <= 0.01"
    for wrong in ("skw <= 1%", "skew <= stale", "roc_auc >= 0.5", "skew"):
        with pytest.raises(InvalidValue):
            parse_share(wrong, SKEW)
    config = parse_config(
        CONFIG.replace("[models.delay]", '[models.delay]\nskew = ["skew <= 0.5%", "stale <= 20%"]')
    )
    assert config.models["delay"].skew == ("skew <= 0.5%", "stale <= 20%")
    with pytest.raises(InvalidProject, match="no check of skew or stale"):
        parse_config(CONFIG.replace("[models.delay]", '[models.delay]\nskew = ["drift <= 0.5%"]'))


def test_rows_to_train_on_are_what_was_served_once_labels_are_there(shop: Shop) -> None:
    shop.materialize()
    shop.ask("early", {"shop": "a"}, {"shop": "b"}, {"shop": "c"})
    shop.app.advance(NOON + timedelta(hours=1))  # a has an event that the store does not know yet
    shop.ask("late", {"shop": "a"}, {"visitors": 9, "mood": None})
    shop.log.flush()
    shop.app.monitoring.tick(NOON)

    def train(as_of: datetime | None = None) -> Run:
        trained = shop.app.runs.submit(
            project="flights",
            pipeline="again",
            environment="test",
            graph=shop.again,
            workspace=shop.workspace(),
            params={},
            as_of=as_of,
        )
        shop.settle()
        with shop.app.store.read() as reader:
            return reader.get(Run, trained.id)

    assert "No answer of delay in test had a label" in train().error
    truth = {"early0": True, "early1": False, "late0": False, "late1": True}
    labels = [{"prediction": name, "value": value} for name, value in truth.items()]
    shop.app.monitoring.label("delay", labels[:3])
    then = shop.app.clock.now()
    shop.app.advance(then + timedelta(hours=1))
    shop.app.monitoring.label("delay", labels[3:])
    found = train()
    assert found.status == "succeeded", found.error
    with shop.app.store.read() as reader:
        step = reader.get(StepRun, f"{found.id}/tell")
        past = labelled_answers(
            reader, JsonlPredictionLog(shop.app.home.predictions), ANSWERS, replace(found, as_of=then)
        )
    rows = pl.read_ipc(shop.app.blobs.path(step.outputs["result"].digest)).sort("prediction")
    assert rows["prediction"].to_list() == ["early0", "early1", "late0", "late1"]
    assert rows["visitors"].to_list() == [6, 4, 6, 9], "as it was served, though it was stale"
    assert rows["late"].to_list() == [True, False, False, True]
    assert rows["crowd"].to_list() == [True, False, True, True]
    assert past["prediction"].to_list() == ["early0", "early1", "late0"]
    assert past.columns == ["prediction", "answered_at", "told_at", "visitors", "mood", "late"]
    earlier = train(as_of=then)
    assert earlier.status == "succeeded", earlier.error
    with shop.app.store.read() as reader:
        step = reader.get(StepRun, f"{earlier.id}/tell")
    rows = pl.read_ipc(shop.app.blobs.path(step.outputs["result"].digest)).sort("prediction")
    assert rows["prediction"].to_list() == ["early0", "early1", "late0"]


def test_what_nobody_was_served_is_not_trained_on() -> None:
    rows = {"prediction": ["1", "2"], "answered_at": [NOON, NOON + timedelta(days=1)], "told_at": [NOON] * 2}
    table = pl.DataFrame({**rows, "late": [True, False], "other": [1, 2]})
    view = ViewSettings(
        name="rush",
        target="parlour.views:rush",
        entity=("shop",),
        source=ANSWERS,
        aggregates=(Aggregate(name="busy", of="count", over=60.0),),
    )
    asked = msgspec.to_builtins(RowsSettings(source=ANSWERS, label="late", holdout="1h", views=(view,)))
    with pytest.raises(InvalidValue, match="No answer was given with a feature of rush"):
        training_set(asked, {ANSWERS.name: table.lazy()}, NOON + timedelta(days=2))

"""What was known at a time is read, or taken of who read it then, however late it is asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.app.local import plan_target, run_target
from penstock.app.workbench import Workbench, open_workbench
from penstock.core.errors import InvalidValue
from penstock.datasets.types import Snapshot
from penstock.models.types import Version
from penstock.runs.earlier import declared
from penstock.runs.types import Artifact, Run, StepRun

MODULE = """
import polars as pl
from sklearn.linear_model import LogisticRegression
from penstock import Metrics, events, feature_view, files, pipeline, publish, step, training_rows

trips = files("data/trips", event_time="at", known_time="entered", key="id")
weather = files("data/weather", event_time="seen")

@feature_view(entity="place", source=weather)
def rain(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("place", "seen", "rain")

@step
def fit(rows: pl.DataFrame) -> LogisticRegression:
    return LogisticRegression().fit(rows.select("length", "rain"), rows["late"].to_numpy())

@step
def evaluate(model: LogisticRegression, holdout: pl.DataFrame) -> Metrics:
    return Metrics(accuracy=model.score(holdout.select("length", "rain"), holdout["late"].to_numpy()))

def drawn(**options):
    rows = training_rows(trips, [rain], label="late", holdout="2d", **options)
    model = fit(rows.train)
    return publish("late", model, evaluate(model, rows.holdout), inputs=rows.schema)

@pipeline
def train():
    return drawn()

@pipeline
def pinned():
    return drawn(as_of="2024-02-01")

clicks = events("clicks", event_time="at", key="id")

@step
def prices(rows: pl.DataFrame) -> list[float]:
    return rows.sort("id")["price"].to_list()

@pipeline
def pushed():
    return prices(training_rows(clicks, label="paid", holdout="1d").train)
"""
FEBRUARY = datetime(2024, 2, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with ten days of hourly trips in January, and the rain at their place."""
    for name in ("rides", "data/trips", "data/weather"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "rides/__init__.py").write_text(MODULE)
    trips(tmp_path, "first", range(240))
    hours = [
        f"2024-01-{day:02}T{hour:02}:00:00Z,home,{hour % 5}" for day in range(1, 11) for hour in range(24)
    ]
    (tmp_path / "data/weather/all.csv").write_text("\n".join(["seen,place,rain", *hours]))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path
    sys.modules.pop("rides", None)


@pytest.fixture
def bench(folder: Path) -> Iterator[Workbench]:
    with open_workbench(folder / "home", on="inline") as opened:
        yield opened


def trips(folder: Path, name: str, numbers: range, entered: str = "", longer: int = 0) -> None:
    """A file of trips, each known when it happened unless it was entered at another time."""
    lines = ["id,at,entered,place,length,late"]
    for number in numbers:
        at = f"2024-01-{number // 24 + 1:02}T{number % 24:02}:00:00Z"
        lines.append(f"{number},{at},{entered or at},home,{number % 7 + longer},{number % 7 > 3:d}")
    (folder / f"data/trips/{name}.csv").write_text("\n".join(lines))


def run(bench: Workbench, folder: Path, as_of: datetime | None = None, pipeline: str = "train") -> Run:
    found = run_target(bench, f"rides:{pipeline}", folder, {}, lambda *_: None, as_of=as_of)
    assert found.status == "succeeded", found.error
    return found


def rows_of(bench: Workbench, run: Run, output: str = "train") -> Artifact:
    with bench.store.read() as reader:
        return reader.get(StepRun, f"{run.id}/rows").outputs[output]


def said(bench: Workbench, run: Run, step: str = "trips.snapshot") -> str:
    lines, _ = bench.log_lines(f"{run.id}/{step}", 0, 100)
    return "\n".join(line["text"] for line in lines)


def came_later(folder: Path) -> None:
    """Trips of January that were entered in March: some that are new, and some put right."""
    trips(folder, "late", range(240, 264), entered="2024-03-01T00:00:00Z")
    trips(folder, "corrected", range(24), entered="2024-03-02T00:00:00Z", longer=3)


def test_late_rows_and_corrections_are_not_known_as_of_before(bench: Workbench, folder: Path) -> None:
    before = run(bench, folder)
    came_later(folder)
    now, then = run(bench, folder), run(bench, folder, FEBRUARY)
    assert rows_of(bench, then).digest == rows_of(bench, before).digest
    assert rows_of(bench, now).digest != rows_of(bench, before).digest
    assert then.as_of == FEBRUARY
    with bench.store.read() as reader:
        assert {kept.as_of for kept in reader.find(Snapshot, as_of=FEBRUARY)} == {FEBRUARY}
        versions = {version.run: version.training["as_of"] for version in reader.find(Version)}
    assert versions[then.id] == FEBRUARY.isoformat()
    assert versions[now.id] == now.as_of.isoformat()


def test_of_pushed_rows_the_corrections_of_later_are_not_known(bench: Workbench, folder: Path) -> None:
    def push(name: str, day: str, numbers: range, price: float) -> None:
        rows = [
            {
                "id": n,
                "at": f"2024-01-0{n + 1}T00:00:00Z",
                "arrived_at": day,
                "price": price,
                "paid": n % 2 == 0,
            }
            for n in numbers
        ]
        (folder / f"events/clicks/{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    def told(as_of: datetime | None) -> list[float]:
        found = run(bench, folder, as_of, "pushed")
        with bench.store.read() as reader:
            step = reader.get(StepRun, f"{found.id}/prices")
        prices: list[float] = json.loads(bench.blobs.get(step.outputs["result"].digest))
        return prices

    (folder / "events/clicks").mkdir(parents=True)
    push("first", "2024-01-09T00:00:00Z", range(4), 1.0)
    push("corrected", "2024-03-01T00:00:00Z", range(1), 2.0)
    push("late", "2024-03-01T00:00:00Z", range(4, 5), 3.0)
    assert told(FEBRUARY) == [1.0, 1.0, 1.0]
    assert told(None) == [2.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("left", ["others", "none"])
def test_what_a_run_read_is_taken_from_it_whatever_became_of_the_files(
    bench: Workbench, folder: Path, left: str
) -> None:
    before = run(bench, folder)
    (folder / "data/trips/first.csv").unlink()
    if left == "others":
        trips(folder, "others", range(100, 240), longer=50)
    again = run(bench, folder, before.as_of)
    for output in ("train", "holdout", "schema"):
        assert rows_of(bench, again, output).digest == rows_of(bench, before, output).digest
    assert "trips is not asked: the rows that were kept as of" in said(bench, again)


def test_rows_whose_bytes_are_damaged_are_asked_for_again(bench: Workbench, folder: Path) -> None:
    before = run(bench, folder)
    with bench.store.read() as reader:
        [kept] = reader.find(Snapshot, source="trips")
    file = Path(bench.blobs.path(kept.digest))
    file.chmod(0o644)
    file.write_bytes(b"other")
    again = run(bench, folder, before.as_of)
    assert rows_of(bench, again).digest == rows_of(bench, before).digest
    assert "is not asked" not in said(bench, again)


def test_another_declaration_is_another_question(bench: Workbench, folder: Path) -> None:
    before = run(bench, folder)
    changed = MODULE.replace('key="id"', 'key=("id", "place")')
    (folder / "rides/__init__.py").write_text(changed)
    sys.modules.pop("rides")
    again = run(bench, folder, before.as_of)
    assert "is not asked" not in said(bench, again)
    assert "weather is not asked" in said(bench, again, "weather.snapshot")


def test_another_place_is_another_question(bench: Workbench, folder: Path) -> None:
    before = run(bench, folder)
    node = before.graph.nodes[0]
    secret = replace(node, options=replace(node.options, secrets=("WAREHOUSE_URL",)))
    elsewhere = replace(before, workspace=replace(before.workspace, data_root="/elsewhere"))
    live = replace(before, environment="production")
    assert declared(elsewhere, node) != declared(before, node)
    assert declared(live, node) == declared(before, node), "the same files"
    assert declared(live, secret) != declared(before, secret), "another password may open another table"


def test_what_is_expected_today_is_asked_of_rows_of_then(bench: Workbench, folder: Path) -> None:
    before = run(bench, folder)
    (folder / "expectations").mkdir()
    (folder / "expectations/trips.toml").write_text("[columns.length]\nat_most = 3\n")
    failed = run_target(bench, "rides:train", folder, {}, lambda *_: None, as_of=before.as_of)
    assert failed.status == "failed"
    assert "length" in failed.error


def test_a_pinned_pipeline_reads_as_of_its_time_and_only_once(bench: Workbench, folder: Path) -> None:
    first = run(bench, folder, pipeline="pinned")
    came_later(folder)
    (folder / "data/weather/all.csv").unlink()
    second = run(bench, folder, pipeline="pinned")
    assert rows_of(bench, second) == rows_of(bench, first)
    assert "weather is not asked" in said(bench, second, "weather.snapshot")
    with bench.store.read() as reader:
        assert {version.training["as_of"] for version in reader.find(Version)} == {FEBRUARY.isoformat()}
        step = reader.get(StepRun, f"{second.id}/trips.snapshot")
    assert step.why == "ran because a source is asked as of 2024-02-01T00:00:00+00:00"


def test_a_run_of_before_the_pinned_time_reads_as_of_its_own(bench: Workbench, folder: Path) -> None:
    early = FEBRUARY - timedelta(days=24)
    found = run(bench, folder, early, pipeline="pinned")
    with bench.store.read() as reader:
        snapshot: dict[str, Any] = reader.get(StepRun, f"{found.id}/trips.snapshot").outputs["rows"].meta
    assert snapshot["snapshot"]["as_of"].startswith("2024-01-08T00:00:00")


def test_a_plan_tells_what_is_taken(bench: Workbench, folder: Path) -> None:
    before = run(bench, folder)
    came_later(folder)
    _, told = plan_target(bench, "rides:train", folder, {}, before.as_of)
    assert {each.outcome for each in told} == {"cached"}
    assert told[0].why.startswith("takes the rows that were kept as of")
    _, asked = plan_target(bench, "rides:train", folder, {}, FEBRUARY)
    assert asked[0].why == "runs because a source is asked as of 2024-02-01T00:00:00+00:00"


def test_a_time_to_come_is_refused(bench: Workbench, folder: Path) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for ask in (
        lambda: run(bench, folder, tomorrow),
        lambda: plan_target(bench, "rides:train", folder, {}, tomorrow),
    ):
        with pytest.raises(InvalidValue, match="has not come yet"):
            ask()

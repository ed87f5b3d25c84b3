"""A made-up shop whose customers change their minds on a known day, lived through under three policies."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner, Result

from penstock.adapters.storage.store import open_store
from penstock.app.simulation.advice import front, gap, recommended
from penstock.app.simulation.beside import beside
from penstock.app.simulation.patch import changed
from penstock.app.simulation.policies import own_trigger
from penstock.app.simulation.replay import instants
from penstock.app.simulation.simulate import simulate
from penstock.app.simulation.types import Policy, Wanted
from penstock.app.simulation.wanted import wanted_of
from penstock.cli.commands import app
from penstock.core.errors import InvalidProject, InvalidValue, NotFound, StepFailed
from penstock.models.types import RoleChange, Version
from penstock.monitoring.types import Prediction
from penstock.pipelines.types import Graph
from penstock.revisions.config import ScheduleCondition, WorseCondition, parse_config
from penstock.revisions.config.fragments import read_fragment
from penstock.runs.types import Run, StepRun

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
START, CHANGE, END = FIRST + timedelta(days=20), FIRST + timedelta(days=31), FIRST + timedelta(days=47)
A_DAY = 60
CONFIG = """
[project]
name = "shop"

[environments.production]
deploy = { on = "push", branch = "main" }
serve = true

[[triggers]]
pipeline = "train"
environments = ["production"]
any = [{ schedule = "0 3 1 * *" }]

[models.returns]
gate = ["roc_auc >= 0.4", "infrastructure", "load: 5/s for 1s, errors == 0"]
"""
WORSE = """
[[triggers]]
any = [{ worse = "roc_auc", by = 0.15, over = "7d", labels = 200 }]
cooldown = "7d"
"""
CODE = """
import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

from penstock import Metrics, files, pipeline, publish, step, training_rows

orders = files("data", event_time="at", known_time="known_at", key="id")

@step
def fit(rows: pl.DataFrame) -> LogisticRegression:
    return LogisticRegression().fit(rows.select("price", "discount").to_numpy(), rows["late"].to_numpy())

@step
def evaluate(model: LogisticRegression, rows: pl.DataFrame) -> Metrics:
    from sklearn.metrics import roc_auc_score
    chance = model.predict_proba(rows.select("price", "discount").to_numpy())[:, 1]
    return Metrics(roc_auc=float(roc_auc_score(rows["late"], chance)))

@pipeline
def train():
    rows = training_rows(orders, label="late", span="12d", holdout="3d")
    model = fit(rows.train)
    return publish("returns", model, evaluate(model, rows.holdout), inputs=rows.schema)
"""
KILLED = """
import os, signal, sys
from pathlib import Path
import msgspec
from penstock.app.simulation.simulate import simulate
from penstock.app.simulation.types import Wanted

def until(over, total, moment):
    if over == 14:
        os.kill(os.getpid(), signal.SIGKILL)

simulate(Path(sys.argv[1]), msgspec.json.decode(sys.stdin.read(), type=Wanted), until)
"""
NAMED = ("never", "weekly", "worse.toml")


def orders() -> pl.DataFrame:
    """Orders, 60 a day; from CHANGE on a high price speaks for what it spoke against before."""
    chance = np.random.default_rng(1)
    days = (END - FIRST).days
    at = [FIRST + timedelta(seconds=86_400 / A_DAY * (n + 0.5)) for n in range(days * A_DAY)]
    price, discount = chance.normal(size=(2, len(at)))
    meaning = np.array([1 if moment < CHANGE else -1 for moment in at])
    late = chance.random(len(at)) < 1 / (1 + np.exp(-2.5 * price * meaning))
    waited = chance.uniform(0.2, 3, len(at))
    known = [moment + timedelta(days=float(wait)) for moment, wait in zip(at, waited, strict=True)]
    ids = [f"order-{n}" for n in range(len(at))]
    columns = {"id": ids, "at": at, "price": price, "discount": discount, "late": late.astype(int)}
    return pl.DataFrame({**columns, "known_at": known})


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop").mkdir()
    (folder / "shop" / "__init__.py").write_text("")
    (folder / "shop" / "pipeline.py").write_text(CODE)
    (folder / "penstock.toml").write_text(CONFIG)
    (folder / "worse.toml").write_text(WORSE)
    (folder / "data").mkdir()
    orders().write_parquet(folder / "data" / "orders.parquet")
    return folder


def wanted(shop: Path, graph: Graph, *named: str, start: datetime = START, end: datetime = END) -> Wanted:
    files = [str(shop / name) if name.endswith(".toml") else name for name in named]
    return wanted_of(
        shop, [graph], named=files, start=start, end=end, every=timedelta(days=1), changes=(CHANGE,)
    )


def call(folder: Path, *words: str) -> Result:
    before = Path.cwd()
    os.chdir(folder)
    try:
        return CliRunner().invoke(app, ["simulate", *words, "--home", "home"], prog_name="penstock")
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def told(shop: Path) -> dict[str, Any]:
    """What a simulation tells that nothing has stopped."""
    days = ["--from", f"{START:%Y-%m-%d}", "--to", f"{END:%Y-%m-%d}", "--change", f"{CHANGE:%Y-%m-%d}"]
    policies = [word for name in NAMED for word in ("--policy", name)]
    more = ("--write", "better.patch", "--html", "page.html", "--processes", "1")
    done = call(shop, *days, *policies, *more, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def graph(shop: Path, told: dict[str, Any]) -> Graph:
    """The pipeline as it was drawn when it was simulated."""
    assert told
    with open_store(shop / "home" / "simulation" / "penstock.db").read() as reader:
        return reader.find(Run, limit=1)[0].graph


def by_policy(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["policy"]: row for row in told["policies"]}


def after_change(row: dict[str, Any]) -> float:
    values = [
        w["value"] for w in row["weeks"] if datetime.fromisoformat(w["start"]) >= CHANGE + timedelta(days=10)
    ]
    return sum(values) / len(values)


def test_after_the_change_whoever_trains_again_is_better(told: dict[str, Any]) -> None:
    rows = by_policy(told)
    assert after_change(rows["never"]) < 0.35
    assert after_change(rows["weekly"]) > 0.7
    assert after_change(rows["worse"]) > 0.7
    assert rows["never"]["retrains"] == 0
    assert told["recommended"] != "never"


def test_firings_are_those_that_the_policies_ask_for(told: dict[str, Any]) -> None:
    rows = by_policy(told)
    weekly = [f for f in rows["weekly"]["firings"] if f["kind"] == "schedule"]
    mondays = [START + timedelta(days=n) for n in range(1, 28) if (START + timedelta(days=n)).weekday() == 0]
    assert [datetime.fromisoformat(f["time"]) for f in weekly] == [m for m in mondays if m <= END]
    worse = [datetime.fromisoformat(f["time"]) for f in rows["worse"]["firings"] if f["kind"] == "worse"]
    assert worse
    assert timedelta(0) < worse[0] - CHANGE < timedelta(days=7)
    assert all(later - earlier >= timedelta(days=7) for earlier, later in pairwise(worse))
    assert rows["worse"]["alarms"] == {
        "found": 1,
        "missed": 0,
        "false": 0,
        "delay": rows["worse"]["alarms"]["delay"],
    }
    assert rows["never"]["alarms"]["missed"] == 1


def test_worse_fires_when_a_look_at_all_that_was_known_would(shop: Path, told: dict[str, Any]) -> None:
    """Day by day from the stored predictions alone: what labels said, and whether it may fire."""
    with open_store(shop / "home" / "simulation" / "penstock.db").read() as reader:
        predictions = reader.find(Prediction, environment="worse")
        crowned = [c for c in reader.find(RoleChange, environment="worse") if c.role == "champion"]
        gained = {version.number: version.metrics["roc_auc"] for version in reader.find(Version)}
    week, fired, expected = timedelta(days=7), START, []
    for now in (START + timedelta(days=n) for n in range(1, (END - START).days + 1)):
        champion = [change for change in crowned if change.time < now][-1]
        known = [
            (p.truth, p.score)
            for p in predictions
            if p.version == champion.number
            and max(now - week, champion.time) <= p.time < now
            and p.truth_known is not None
            and p.truth_known <= now
        ]
        enough = len(known) >= 200 and now - fired >= week
        if enough and gained[champion.number] - roc_auc_score(*zip(*known, strict=True)) >= 0.15:
            expected.append(now)
            fired = now
    firings = by_policy(told)["worse"]["firings"]
    assert [datetime.fromisoformat(f["time"]) for f in firings if f["kind"] == "worse"] == expected != []


def test_no_label_is_used_before_it_has_arrived(shop: Path, told: dict[str, Any]) -> None:
    arrived = dict(orders().select("id", "known_at").iter_rows())
    with open_store(shop / "home" / "simulation" / "penstock.db").read() as reader:
        predictions = reader.find(Prediction)
        steps = reader.find(StepRun, name="fit", cached_from="")
        copies = reader.count(StepRun, name="fit", status="succeeded") - len(steps)
    assert len(predictions) == 3 * told["predictions"]
    labelled = [p for p in predictions if p.truth_known]
    assert all(p.truth_known >= arrived[p.id.partition("/")[2]] for p in labelled)
    assert len(steps) == told["trainings"]["made"]
    assert copies == told["trainings"]["asked"] - told["trainings"]["made"] >= 2


def test_what_was_killed_goes_on_and_tells_the_same(shop: Path, graph: Graph, told: dict[str, Any]) -> None:
    asked = wanted(shop, graph, *NAMED)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, "again"],
        cwd=shop,
        input=msgspec.json.encode(asked),
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    again = simulate(shop / "again", asked, lambda *_: None)
    with open_store(shop / "again" / "penstock.db").read() as reader:
        fits = reader.find(StepRun, name="fit", cached_from="")
    kept = [step for step in fits if step.run.startswith("earlier-")]
    assert len(kept) >= 2
    assert len(fits) == told["trainings"]["made"]
    assert steady(msgspec.json.decode(msgspec.json.encode(again))) == steady(told)


def test_in_two_processes_the_same_comes_of_it(shop: Path, graph: Graph, told: dict[str, Any]) -> None:
    over: list[tuple[int, int]] = []
    asked = wanted(shop, graph, *NAMED)
    found = simulate(shop / "two", asked, lambda n, total, _: over.append((n, total)), processes=2)
    assert steady(msgspec.json.decode(msgspec.json.encode(found))) == steady(told)
    assert over == sorted(over)
    assert {total for _, total in over} == {over[-1][0]}
    assert (shop / "two" / "beside-1" / "penstock.db").exists()


def test_what_another_process_cannot_live_through_is_said(shop: Path, graph: Graph) -> None:
    early = wanted(shop, graph, "never", start=FIRST + timedelta(days=1))
    with (
        beside(shop / "early-beside", early, instants(early)) as other,
        pytest.raises(StepFailed, match="No model can be live on 2025-01-02"),
    ):
        other.hear(60)
    with beside(shop / "killed-beside", early, instants(early)) as other:
        [process] = multiprocessing.active_children()
        process.kill()
        with pytest.raises(StepFailed, match="has ended\\. The same command goes on"):
            other.hear(60)


UNSTEADY = ("seconds", "money", "front", "recommended", "why")
"""What depends on how quick the machine was: versions are numbered in the order in which trainings end."""


def steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: steady(each) for key, each in value.items() if key not in UNSTEADY}
    return [steady(each) for each in value] if isinstance(value, list) else value


def test_the_recommendation_can_be_applied_and_seen(shop: Path, told: dict[str, Any]) -> None:
    subprocess.run(["git", "init", "-q"], cwd=shop, check=True)
    subprocess.run(["git", "apply", "better.patch"], cwd=shop, check=True)
    [trigger] = parse_config((shop / "penstock.toml").read_text()).triggers
    kinds = {"weekly": ScheduleCondition, "worse": WorseCondition}
    assert isinstance(trigger.conditions[0], kinds[told["recommended"]])
    (shop / "penstock.toml").write_text(CONFIG)
    page = (shop / "page.html").read_text()
    assert page.count("<svg") == 3
    assert "nan" not in page


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--from", "2025-03-01", "--to", "2025-02-01"], "expected --to at least a day after --from"),
        (
            ["--from", "2025-02-01", "--to", "2025-03-01", "--change", "2020-01-01"],
            "expected a --change between",
        ),
        (["--from", "someday", "--to", "2025-03-01"], "expected a day such as 2013-03-01"),
    ],
)
def test_wrong_days_are_said_in_a_sentence(shop: Path, words: list[str], sentence: str) -> None:
    done = call(shop, *words)
    assert done.exit_code == 1
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_wrong_policies_and_times_without_history_are_said_in_a_sentence(shop: Path, graph: Graph) -> None:
    with pytest.raises(NotFound, match=r"no policy 'wekly': expected one of .* Did you mean `weekly`\?"):
        wanted(shop, graph, "wekly")
    (shop / "weekly.toml").write_text(WORSE)
    with pytest.raises(InvalidValue, match=r"cannot be called weekly\.toml"):
        wanted(shop, graph, "weekly.toml")
    (shop / "served.toml").write_text('[[triggers]]\nany = [{ skew = "skew > 1%" }]\n')
    with pytest.raises(InvalidValue, match="'served' starts runs on skew, and nothing is read online"):
        wanted(shop, graph, "served.toml")
    later, late = END + timedelta(days=300), END + timedelta(days=330)
    with pytest.raises(
        StepFailed, match=f"The source data has no labels from {later:%Y-%m-%d} to .*: .* no rows at all"
    ):
        simulate(shop / "later", wanted(shop, graph, "never", start=later, end=late), lambda *_: None)
    with pytest.raises(StepFailed, match="No model can be live on 2025-01-02, where the simulation begins"):
        simulate(
            shop / "early", wanted(shop, graph, "never", start=FIRST + timedelta(days=1)), lambda *_: None
        )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[triggers]]\nany = [{ schedul = '0 3 * * *' }]\n", "policy.toml:2: 'schedul' is not a key"),
        ("cooldown = '1d'\n", "policy.toml:1: 'cooldown' is not a key of the document"),
        ("", "a policy has no trigger"),
    ],
)
def test_a_policy_that_cannot_be_read_names_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InvalidProject, match=sentence):
        read_fragment(text, "policy.toml", ["train"])


def test_the_cheapest_that_cannot_be_told_from_the_best_is_recommended() -> None:
    costs, times = {"never": 0.0, "monthly": 10.0, "weekly": 40.0}, {"never": 0, "monthly": 1, "weekly": 4}
    gaps = {
        "never": gap([(0.0, 0.0), (0.0, 0.01), (0.2, 0.02), (0.3, 0.02)]),  # much worse, though not always
        "monthly": gap([(0.01, 0.01), (-0.01, 0.01), (0.02, 0.01), (0.0, 0.01)]),
        "weekly": gap([(0.0, 0.0)] * 4),
    }
    assert recommended(costs, times, gaps) == "monthly"
    assert front(costs, {"never": 0.6, "monthly": 0.71, "weekly": 0.70}) == {"never", "monthly"}


def test_a_policy_takes_the_place_of_the_old_one_in_its_environment_alone() -> None:
    shared = CONFIG.replace('["production"]', '["staging", "production"]').replace(
        "[[triggers]]", '[environments.staging]\ndeploy = { on = "push", branch = "dev" }\n\n[[triggers]]'
    )
    project = Named(config=shared, graph=Named(pipeline="train"), environment="production")
    daily = {"any": [{"schedule": "0 0 * * *"}], "cooldown": "2d"}
    text = changed(project, Policy(name="daily", trigger=daily))  # type: ignore[arg-type]
    assert own_trigger(text, "production", "train") == daily
    assert own_trigger(text, "staging", "train") == {"any": [{"schedule": "0 3 1 * *"}]}
    gone = changed(project, Policy(name="never", trigger=None))  # type: ignore[arg-type]
    assert own_trigger(gone, "production", "train") is None
    assert own_trigger(gone, "staging", "train") == {"any": [{"schedule": "0 3 1 * *"}]}


class Named:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

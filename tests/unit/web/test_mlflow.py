"""MLflow's protocol, call by call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from penstock.app import App
from penstock.app.api import call
from penstock.app.gc import Gc
from penstock.core.digests import digest_bytes
from penstock.core.errors import InvalidValue, NotAllowed, NotFound
from penstock.models.types import Version
from penstock.pipelines.types import Graph, Node
from penstock.runs.types import Metric, Workspace
from penstock.web import create_web
from penstock.web.mlflow.artifacts import place

API = "/api/2.0/mlflow/"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
WORKSPACE = Workspace(python="p", folder="/f", data_root="/f", lock="")


class Client:
    """Asks as MLflow's clients do."""

    def __init__(self, web: TestClient[Litestar]) -> None:
        self.web = web

    def post(self, path: str, status: int = 200, /, **body: Any) -> dict[str, Any]:
        return self._told(self.web.post(API + path, json=body), status)

    def get(self, path: str, status: int = 200, /, **query: Any) -> dict[str, Any]:
        return self._told(self.web.get(API + path, params=query), status)

    def send(self, method: str, path: str, status: int = 200, /, **body: Any) -> dict[str, Any]:
        return self._told(self.web.request(method, API + path, json=body), status)

    def run(self, **body: Any) -> str:
        return str(self.post("runs/create", **body)["run"]["info"]["run_id"])

    def put(self, path: str, data: bytes) -> Any:
        return self.web.put(f"{FILES}/{path}", content=data)

    def _told(self, answer: Any, status: int) -> dict[str, Any]:
        assert answer.status_code == status, answer.text
        told: dict[str, Any] = answer.json()
        return told


@pytest.fixture
def mlflow(app: App) -> Iterator[Client]:
    """A client on the machine of the system."""
    web = create_web(app)
    answer = web.asgi_handler

    async def near(scope: Any, receive: Any, send: Any) -> None:
        await answer(scope | {"client": ("127.0.0.1", 1)}, receive, send)

    web.asgi_handler = near
    with TestClient(web, base_url="http://127.0.0.1:4747") as client:
        yield Client(client)


@pytest.fixture
def registered(mlflow: Client) -> Client:
    """A client that has uploaded version 1 of `delay` from a run's folder `model`."""
    run = mlflow.run()
    assert mlflow.put(f"runs/{run}/artifacts/model/weights", b"1").status_code == 200
    mlflow.post("registered-models/create", name="delay")
    mlflow.post("model-versions/create", name="delay", source=f"runs:/{run}/model", run_id=run)
    return mlflow


def test_a_run_is_seen_where_runs_are_seen(mlflow: Client, app: App) -> None:
    experiment = mlflow.post("experiments/create", name="delays")["experiment_id"]
    run = mlflow.run(experiment_id=experiment, user_id="ada", run_name="first", start_time=1_700_000_000_000)
    metrics = [{"key": "loss", "value": 1 / (1 + n), "timestamp": 5, "step": n} for n in range(3)]
    mlflow.post("runs/log-batch", run_id=run, metrics=metrics, params=[{"key": "rate", "value": "0.1"}])
    mlflow.put(f"runs/{run}/artifacts/notes/a.txt", b"hello")
    mlflow.post("runs/update", run_id=run, status="FINISHED", end_time=1_700_000_009_000)

    shown = call(app, "GET", f"/runs/{run}")
    assert (shown["pipeline"], shown["status"], shown["actor"]) == ("delays", "succeeded", "ada")
    assert shown["params"] == {"rate": "0.1"}
    assert shown["tags"]["mlflow.runName"] == "first"
    assert [file["path"] for file in shown["files"]] == ["notes/a.txt"]
    [listed] = call(app, "GET", "/runs", {"order": "loss", "params": "rate=0.1", "pipeline": "delays"})[
        "items"
    ]
    assert (listed["id"], listed["value"]) == (run, 1 / 3)
    other = mlflow.run(experiment_id=experiment)
    mlflow.post("runs/log-metric", run_id=other, key="loss", value=2.0, timestamp=5)
    rows = call(app, "GET", f"/compare/{run},{other}")["metrics"]
    assert [(row["name"], row["values"]) for row in rows] == [("loss", (1 / 3, 2.0))]
    assert mlflow.web.get(f"/runs/{run}").status_code == 200


def test_a_metric_told_twice_is_one_and_the_last_is_by_step(mlflow: Client, app: App) -> None:
    run = mlflow.run()
    for step, value in ((1, 0.5), (1, 0.5), (0, 0.9), (1, 0.4)):
        mlflow.post("runs/log-metric", run_id=run, key="loss", value=value, timestamp=step, step=step)
    history = mlflow.get("metrics/get-history", run_id=run, metric_key="loss")["metrics"]
    assert [(each["step"], each["value"]) for each in history] == [(1, 0.5), (0, 0.9), (1, 0.4)]
    with app.store.read() as reader:
        assert [m.value for m in reader.find(Metric, run=run, final=True)] == [0.5]
    first = mlflow.get("metrics/get-history", run_id=run, metric_key="loss", max_results=2)
    assert len(first["metrics"]) == 2
    rest = mlflow.get(
        "metrics/get-history", run_id=run, metric_key="loss", page_token=first["next_page_token"]
    )
    assert len(rest["metrics"]) == 1


def test_what_is_not_a_number_is_told_as_a_tag(mlflow: Client) -> None:
    run = mlflow.run()
    mlflow.post("runs/log-metric", run_id=run, key="loss", value="NaN", timestamp=1, step=3)
    mlflow.post("runs/log-metric", run_id=run, key="far", value="-Infinity", timestamp=1)
    data = mlflow.get("runs/get", run_id=run)["run"]["data"]
    assert [each["key"] for each in data["metrics"]] == ["far"]
    assert {"key": "undefined.loss", "value": "not a number at 3"} in data["tags"]


def test_a_batch_with_one_wrong_thing_leaves_nothing(mlflow: Client) -> None:
    run = mlflow.run()
    mlflow.post("runs/log-parameter", run_id=run, key="rate", value="1")
    metric = {"key": "loss", "value": 1.0, "timestamp": 1}
    refused = mlflow.post(
        "runs/log-batch", 400, run_id=run, metrics=[metric], params=[{"key": "rate", "value": "2"}]
    )
    assert refused["error_code"] == "INVALID_PARAMETER_VALUE"
    assert "expected '1'; found '2'" in refused["message"]
    assert mlflow.get("runs/get", run_id=run)["run"]["data"]["metrics"] == []


def test_runs_are_searched_in_pages(mlflow: Client) -> None:
    runs = [mlflow.run(start_time=1000 + n) for n in range(5)]
    for n, run in enumerate(runs[:4]):
        mlflow.post("runs/log-metric", run_id=run, key="auc", value=n / 10, timestamp=1)
        mlflow.post("runs/set-tag", run_id=run, key="even", value=str(n % 2 == 0))

    def found(**asked: Any) -> list[str]:
        ids: list[str] = []
        token = ""
        while True:
            page = mlflow.post("runs/search", experiment_ids=["0"], max_results=2, page_token=token, **asked)
            ids += [each["info"]["run_id"] for each in page["runs"]]
            token = page.get("next_page_token", "")
            if not token:
                return ids

    assert found() == runs[::-1]
    assert found(order_by=["metrics.auc DESC"]) == [*runs[3::-1], runs[4]]
    assert found(order_by=["metrics.auc ASC"]) == runs
    assert found(order_by=["tags.even", "attributes.start_time"]) == [
        runs[1],
        runs[3],
        runs[0],
        runs[2],
        runs[4],
    ]
    assert found(filter="metrics.auc >= 0.1 AND tags.even = 'True'") == [runs[2]]
    mlflow.post("runs/delete", run_id=runs[2])
    assert found(filter="tags.even = 'True'") == [runs[0]]
    assert found(run_view_type="DELETED_ONLY") == [runs[2]]
    assert found(run_view_type="ALL", filter="tags.even = 'True'") == [runs[2], runs[0]]


def test_runs_of_pipelines_are_seen_and_only_tagged(mlflow: Client, app: App) -> None:
    graph = Graph(pipeline="train", target="p:train", nodes=(Node(name="fit", kind="step"),))
    own = app.runs.submit(
        project="shop", pipeline="train", environment="test", graph=graph, workspace=WORKSPACE, params={}
    )
    [experiment] = [
        each for each in mlflow.get("experiments/search")["experiments"] if each["name"] == "shop/train"
    ]
    [seen] = mlflow.post("runs/search", experiment_ids=[experiment["experiment_id"]])["runs"]
    assert (seen["info"]["run_id"], seen["info"]["status"]) == (own.id, "SCHEDULED")
    mlflow.post("runs/set-tag", run_id=own.id, key="note", value="look")
    tags = {
        each["key"]: each["value"] for each in mlflow.get("runs/get", run_id=own.id)["run"]["data"]["tags"]
    }
    assert tags["note"] == "look"
    assert tags["penstock.environment"] == "test"
    refused = mlflow.post("runs/log-metric", 403, run_id=own.id, key="auc", value=1.0, timestamp=1)
    assert refused["error_code"] == "PERMISSION_DENIED"
    mlflow.post("experiments/delete", 403, experiment_id=experiment["experiment_id"])


def test_an_open_run_is_nobodys_work(mlflow: Client, app: App) -> None:
    run = mlflow.run()
    assert not app.runs.tick(app.clock.now())
    assert app.pace() is None
    assert call(app, "GET", f"/runs/{run}")["status"] == "open"
    told = mlflow.web.post(f"/runs/{run}/cancel", json={})
    assert told.status_code == 409
    assert "carried out by something else" in told.json()["error"]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("runs/log-metric", {"run_id": "9", "key": "a", "value": 1}, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("runs/log-metric", {"key": "a", "value": 1}, 400, "INVALID_PARAMETER_VALUE"),
        ("runs/search", {"experiment_ids": ["0"], "filter": "metrics."}, 400, "INVALID_PARAMETER_VALUE"),
        ("runs/search", {"experiment_ids": ["0"], "max_results": 10**6}, 400, "INVALID_PARAMETER_VALUE"),
        ("experiments/create", {"name": "a", "artifact_location": "s3://b"}, 400, "INVALID_PARAMETER_VALUE"),
        ("experiments/create", {"name": "Default"}, 400, "RESOURCE_ALREADY_EXISTS"),
        ("registered-models/create", {"name": "a/b"}, 400, "INVALID_PARAMETER_VALUE"),
        ("webhooks", {}, 404, "ENDPOINT_NOT_FOUND"),
        ("traces", {}, 404, "ENDPOINT_NOT_FOUND"),
    ],
)
def test_refusals(mlflow: Client, path: str, body: dict[str, Any], status: int, code: str) -> None:
    assert mlflow.post(path, status, **body)["error_code"] == code


def test_a_form_of_another_site_is_refused(mlflow: Client) -> None:
    told = mlflow.web.post(f"{API}runs/create", content=b"{}", headers={"content-type": "text/plain"})
    assert told.status_code == 400


def test_a_token_says_who_and_is_needed_once_there_is_one(mlflow: Client, app: App) -> None:
    _, viewer = app.tokens.create("vera", "viewer", "ops")
    _, expert = app.tokens.create("ada", "ml_expert", "ops")
    assert mlflow.get("runs/get", 401, run_id="1")["error_code"] == "UNAUTHENTICATED"
    mlflow.web.headers["authorization"] = f"Bearer {viewer}"
    assert mlflow.post("runs/create", 403)["error_code"] == "PERMISSION_DENIED"
    mlflow.post("runs/search", experiment_ids=["0"])
    mlflow.web.headers["authorization"] = f"Bearer {expert}"
    assert mlflow.post("runs/create", user_id="someone")["run"]["info"]["user_id"] == "ada"
    _, bound = app.tokens.create("bot", "operator", "ops", environment="staging")
    mlflow.web.headers["authorization"] = f"Bearer {bound}"
    assert "for the environment staging only" in mlflow.post("runs/create", 403)["message"]


def test_a_system_that_is_open_to_the_network_asks_everybody(mlflow: Client, app: App) -> None:
    assert mlflow.web.get("/version").status_code == 200
    app.host = "10.0.0.7"
    assert mlflow.get("runs/get", 401, run_id="1")["error_code"] == "UNAUTHENTICATED"
    assert mlflow.web.get("/version").status_code == mlflow.put("runs/1/artifacts/a", b"").status_code == 401
    mlflow.web.headers["authorization"] = f"Bearer {app.home.key()}"
    mlflow.run()


HOSTILE = (
    *("..", ".", "%2e%2e", "%252e", "#", "\\", "\x00", "C:", "%5c", "%00", "", "\ud800"),
    *("a", "ü", "~", "passwd", "etc"),
)


@given(
    place_of=st.sampled_from(["runs/1/artifacts", "logged/m-1/artifacts", "versions/delay/1", "other", ""]),
    parts=st.lists(st.sampled_from(HOSTILE) | st.text(max_size=8), min_size=1, max_size=5),
)
def test_a_path_of_a_client_is_a_plain_name_or_refused(place_of: str, parts: list[str]) -> None:
    with suppress(InvalidValue, NotFound):
        path = place(f"{place_of}/{'/'.join(parts)}").path
        assert not path or not {"", ".", ".."} & set(path.split("/"))
        assert not set(path) & set("\\#\x00")
        assert not re.search("%[0-9a-fA-F]{2}", path)


WRITTEN = (
    *("../../x", "%2e%2e/x", "%252e%252e/x", "a/%2e%2e/%2e%2e/x", "%2Fetc/passwd"),
    *("a%23b", "a%5Cb", "a%00b", "%C3%28"),
)


def test_no_path_of_a_client_leads_anywhere(mlflow: Client, app: App) -> None:
    mlflow.run()
    before = set(app.home.folder.rglob("*"))
    for hostile in WRITTEN:
        for folder in ("runs/1/artifacts/", "runs/1/artifacts/a/", "versions/delay/1/", ""):
            asked = f"{FILES}/{folder}{hostile}"
            assert mlflow.web.put(asked, content=b"x").status_code in {400, 403, 404, 405}, asked
            assert mlflow.web.get(asked).status_code in {400, 404}, asked
            assert mlflow.web.get(FILES, params={"path": folder + hostile}).status_code in {400, 404}, asked
    assert set(app.home.folder.rglob("*")) == before


def test_a_version_keeps_its_files_as_they_were(registered: Client, app: App) -> None:
    told = registered.get("model-versions/get-download-uri", name="delay", version="1")
    assert told["artifact_uri"] == "mlflow-artifacts:/versions/delay/1"
    registered.put("runs/1/artifacts/model/weights", b"2")
    kept = registered.web.get(f"{FILES}/versions/delay/1/weights")
    assert kept.content == b"1"
    assert kept.headers["content-disposition"] == "attachment"
    assert registered.put("versions/delay/1/weights", b"3").status_code == 403
    with app.store.read() as reader:
        assert reader.get(Version, "delay@1").format == "files"
    assert app.models.show("delay").stage == "development"


@pytest.mark.parametrize(
    "source",
    [
        "file:///etc/passwd",
        "s3://bucket/x",
        "/etc",
        "mlflow-artifacts:/runs/1/artifacts/../2",
        "runs:/1/none",
    ],
)
def test_a_version_is_made_of_what_is_kept_here(registered: Client, source: str) -> None:
    told = registered.post("model-versions/create", 400, name="delay", source=source)
    assert told["error_code"] == "INVALID_PARAMETER_VALUE"


def test_no_client_makes_a_champion(registered: Client, app: App) -> None:
    registered.post("registered-models/alias", name="delay", alias="best", version="1")
    found = registered.get("registered-models/alias", name="delay", alias="best")["model_version"]
    assert (found["version"], found["aliases"], found["current_stage"]) == ("1", ["best"], "None")
    for path, body in (
        ("registered-models/alias", {"alias": "champion"}),
        ("model-versions/transition-stage", {"stage": "Production"}),
    ):
        told = registered.post(path, 403, name="delay", version="1", **body)
        assert "penstock promote delay@1 --to" in told["message"]
    with pytest.raises(NotAllowed, match="kept as a client uploaded it"):
        app.rollouts.promote("delay", 1, "production", "ops")
    registered.send("DELETE", "registered-models/alias", name="delay", alias="best")
    registered.get("registered-models/alias", 404, name="delay", alias="best")


def test_the_alias_champion_shows_what_answers(registered: Client, app: App) -> None:
    with app.store.begin() as tx:
        version = tx.get(Version, "delay@1")
        app.models.place(tx, version, "production", "champion", actor="ops", why="", cause=None)
    for alias in ("champion", "production"):
        found = registered.get("registered-models/alias", name="delay", alias=alias)["model_version"]
        assert (found["version"], found["current_stage"]) == ("1", "Production")
    latest = registered.post("registered-models/get-latest-versions", name="delay", stages=["Production"])
    assert [each["version"] for each in latest["model_versions"]] == ["1"]


@pytest.mark.usefixtures("busy")
def test_models_of_projects_are_not_for_clients(mlflow: Client) -> None:
    mlflow.send("DELETE", "registered-models/delete", 403, name="delay")
    found = mlflow.get(
        "registered-models/search", filter="name ILIKE 'DEL%' AND tag.`mlflow.prompt.is_prompt` != 'true'"
    )
    assert [each["name"] for each in found["registered_models"]] == ["delay"]


def test_gc_keeps_what_clients_stored_until_they_take_it_back(registered: Client, app: App) -> None:
    registered.put("runs/1/artifacts/other", b"other")
    registered.post("runs/update", run_id="1", status="FINISHED")

    def kept() -> set[bytes]:
        Gc(app, keep=timedelta(), grace=-1.0).sweep()
        return {data for data in (b"1", b"other") if app.blobs.has(digest_bytes(data))}

    assert kept() == {b"1", b"other"}
    registered.post("runs/delete", run_id="1")
    assert kept() == {b"1"}
    registered.send("DELETE", "registered-models/delete", name="delay")
    assert kept() == set()
    registered.get("registered-models/get", 404, name="delay")
    assert call(app, "GET", "/models")["items"] == []


def test_logged_models_are_searched_by_what_was_measured(mlflow: Client) -> None:
    run = mlflow.run()
    ids = [
        mlflow.post("logged-models", experiment_id="0", name=f"m{n}", source_run_id=run)["model"]["info"][
            "model_id"
        ]
        for n in range(2)
    ]
    for n, model in enumerate(ids):
        mlflow.post("runs/log-metric", run_id=run, key="auc", value=n / 2, timestamp=n, model_id=model)
        mlflow.send("PATCH", f"logged-models/{model}", status="LOGGED_MODEL_READY")
    found = mlflow.post("logged-models/search", experiment_ids=["0"], filter="metrics.auc > 0.1")["models"]
    assert [each["info"]["model_id"] for each in found] == [ids[1]]
    ordered = mlflow.post(
        "logged-models/search",
        experiment_ids=["0"],
        order_by=[{"field_name": "metrics.auc", "ascending": True}],
    )
    assert [each["info"]["model_id"] for each in ordered["models"]] == ids
    assert mlflow.put(f"logged/{ids[0]}/artifacts/MLmodel", b"late").status_code == 400


def test_a_body_that_is_not_json_is_refused(mlflow: Client) -> None:
    told = mlflow.web.post(f"{API}runs/create", content=b"{", headers={"content-type": "application/json"})
    assert json.loads(told.text)["error_code"] == "INVALID_PARAMETER_VALUE"

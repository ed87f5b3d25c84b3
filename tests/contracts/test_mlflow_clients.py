"""MLflow's own client, unmodified: against a running system, and inside a step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from penstock.app import App, open_app
from penstock.app.api import call
from penstock.web import create_web

pytest.importorskip("mlflow", reason="MLflow's client is not installed: it is in the group `dev`")

CLIENT = """
import json, sys
import mlflow
import pandas as pd
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

mlflow.set_tracking_uri(sys.argv[1])
told = {}
rows, truth = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0]}), [0, 0, 1, 1]
mlflow.set_experiment("delays")
with mlflow.start_run(run_name="first") as run:
    mlflow.log_params({"rate": 0.1, "kind": "linear"})
    for step in range(3):
        mlflow.log_metric("loss", 1 / (1 + step), step=step)
    mlflow.log_metrics({"auc": 0.7, "undefined": float("nan")})
    mlflow.set_tag("team", "blue")
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.log_input(mlflow.data.from_pandas(rows, name="frame"), context="training")
    model = LogisticRegression().fit(rows, truth)
    logged = mlflow.sklearn.log_model(
        model, name="model", registered_model_name="delay", pip_requirements=["scikit-learn"],
    )
client, key = MlflowClient(), run.info.run_id
with mlflow.start_run(run_id=key):
    mlflow.log_metric("later", 1.0)
found = client.get_run(key)
told["run"] = [found.info.status, found.data.metrics, found.data.params, found.data.tags["team"]]
told["inputs"] = [each.dataset.name for each in found.inputs.dataset_inputs]
told["outputs"] = [each.model_id == logged.model_id for each in found.outputs.model_outputs]
told["history"] = [each.value for each in client.get_metric_history(key, "loss")]
told["files"] = [each.path for each in client.list_artifacts(key, "notes")]
told["text"] = mlflow.artifacts.load_text(f"runs:/{key}/notes/hello.txt")
filter_ = "metrics.loss < 0.5 AND params.kind = 'linear' AND tags.team LIKE 'bl%'"
best = mlflow.search_runs(filter_string=filter_, order_by=["metrics.auc DESC"])
told["searched"] = list(best.run_id) == [key]
client.set_registered_model_alias("delay", "best", "1")
client.set_model_version_tag("delay", "1", "checked", "yes")
version = client.get_model_version_by_alias("delay", "best")
told["version"] = [version.version, version.run_id == key, version.tags]
told["answers"] = mlflow.sklearn.load_model("models:/delay@best").predict(rows).tolist()
told["registered"] = [each.name for each in client.search_registered_models("name LIKE 'del%'")]
told["versions"] = [each.version for each in client.search_model_versions("name='delay'")]
for name, wrong in {
    "champion": lambda: client.set_registered_model_alias("delay", "champion", "1"),
    "source": lambda: client.create_model_version("delay", "file:///etc/passwd"),
    "trace": lambda: client.search_traces([found.info.experiment_id]),
}.items():
    try:
        wrong()
    except mlflow.exceptions.MlflowException as error:
        told[name] = error.error_code
client.delete_model_version("delay", "1")
client.delete_registered_model("delay")
client.delete_run(key)
told["left"] = [len(client.search_runs([found.info.experiment_id])), len(client.search_registered_models())]
print(json.dumps(told))
"""
STEP = """
import mlflow
from penstock import pipeline, step
from sklearn.linear_model import LogisticRegression


@step
def fit(rate: float) -> float:
    mlflow.sklearn.autolog(log_models=False, log_datasets=False)
    model = LogisticRegression().fit([[1.0], [2.0], [3.0], [4.0]], [0, 0, 1, 1])
    mlflow.log_param("rate", rate)
    mlflow.log_metric("loss", 0.5)
    mlflow.log_metric("loss", 0.25, step=1)
    mlflow.log_metric("far", float("nan"))
    mlflow.log_text("hello", "notes/hello.txt")
    logged = mlflow.sklearn.log_model(model, name="mine", pip_requirements=["scikit-learn"])
    return float(mlflow.sklearn.load_model(logged.model_uri).predict([[4.0]])[0])


@step
def look(answer: float) -> float:
    LogisticRegression().fit([[1.0], [2.0]], [0, 1])  # what another step switched on is off
    mlflow.log_metric("answer", answer)
    return answer


@pipeline
def train(rate: float = 0.1):
    return look(fit(rate))
"""


def programs_environment(folder: Path) -> dict[str, str]:
    """The environment of a program that imports MLflow and speaks to nobody else."""
    left_out = ("MLFLOW_", "PYTHONDONTWRITEBYTECODE")  # compiled once, or imports take most of the time
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept | {"MLFLOW_DISABLE_TELEMETRY": "true", "HOME": str(folder), "GIT_PYTHON_REFRESH": "quiet"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[App, str]]:
    with open_app(tmp_path / "home") as app:
        running = uvicorn.Server(uvicorn.Config(create_web(app), port=0, lifespan="off", log_config=None))
        thread = threading.Thread(target=running.run)
        thread.start()
        while not running.started:
            threading.Event().wait(0.01)
        yield app, f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
        running.should_exit = True
        thread.join()


def test_the_tracking_client_and_the_registry_client(server: tuple[App, str], tmp_path: Path) -> None:
    app, url = server
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, url],
        cwd=tmp_path,
        env=programs_environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    metrics = {"loss": 1 / 3, "auc": 0.7, "later": 1.0}
    assert told == {
        "run": ["FINISHED", metrics, {"rate": "0.1", "kind": "linear"}, "blue"],
        "inputs": ["frame"],
        "outputs": [True],
        "history": [1.0, 0.5, 1 / 3],
        "files": ["notes/hello.txt"],
        "text": "hello",
        "searched": True,
        "version": ["1", True, {"checked": "yes"}],
        "answers": [0, 0, 1, 1],
        "registered": ["delay"],
        "versions": ["1"],
        "champion": "PERMISSION_DENIED",
        "source": "INVALID_PARAMETER_VALUE",
        "trace": "ENDPOINT_NOT_FOUND",
        "left": [0, 0],
    }
    assert app.ledger.verify().ok
    kinds = {event.kind for event in app.ledger.events()}
    assert {"run.opened", "run.closed", "version.registered", "alias.set", "model.withdrawn"} <= kinds


def test_inside_a_step_without_a_server(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(STEP)
    command = [sys.executable, "-m", "penstock.cli", "run", "tiny:train", "--json"]
    done = subprocess.run(
        command, cwd=tmp_path, env=programs_environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    with open_app(tmp_path / ".penstock") as app:
        run = call(app, "GET", "/runs/1")
        logged = [line["text"] for line in call(app, "GET", "/runs/1/logs")["items"]]
        files = run["steps"][0]["files"]
        assert app.blobs.get(files["notes/hello.txt"]["digest"]) == b"hello"
    measured = {(m["step"], m["name"], m["index"]): m["value"] for m in run["metrics"]}
    assert {key: value for key, value in measured.items() if "training" not in key[1]} == {
        ("fit", "loss", 0): 0.5,
        ("fit", "loss", 1): 0.25,
        ("look", "answer", 0): 1.0,
    }
    assert ("fit", "training_accuracy_score", 0) in measured
    assert "rate = 0.1" in logged
    assert "undefined.far = nan at 0" in logged
    assert {"mine/MLmodel", "mine/model.skops"} <= files.keys()

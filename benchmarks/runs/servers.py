"""The servers of this area: `penstock up`, and MLflow's as it comes and tuned."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import httpx
import msgspec

from benchmarks.frame.environments import Environment, Failed, environment, penstock, version_of
from benchmarks.frame.measure import surroundings
from benchmarks.frame.servers import Server, serving

mlflow = partial(environment, "mlflow", "mlflow==3.17.2")


class MLflow(msgspec.Struct, frozen=True):
    """A way to run MLflow's server on SQLite."""

    name: str
    options: tuple[str, ...] = ()

    def version(self) -> str:
        """The installed version."""
        return version_of("mlflow", mlflow)

    def up(self, folder: Path) -> AbstractContextManager[Server]:
        """Start it on a fresh store in a folder."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

        def command(port: int) -> list[str]:
            store = ("--backend-store-uri", f"sqlite:///{folder}/mlflow.db")
            return [mlflow().program("mlflow"), "server", *store, "--port", str(port), *self.options]

        return serving(command, folder=folder, env=mlflow_env(folder), log=folder / "log")


PATIENT = ("--uvicorn-opts", "--timeout-worker-healthcheck 60")
"""A first call imports for seconds; on a busy machine its worker would be ended as hung after five."""
DEFAULT = MLflow("MLflow server, default", PATIENT)
TUNED = MLflow("MLflow server, one worker", ("--workers", "1"))


def mlflow_env(folder: Path) -> dict[str, str]:
    """The variables of its processes."""
    return surroundings(folder, {"MLFLOW_DISABLE_TELEMETRY": "true"})


def up(folder: Path, home: Path) -> AbstractContextManager[Server]:
    """Start `penstock up` on a home."""
    made: Environment = penstock()

    def command(port: int) -> list[str]:
        return [
            made.program("penstock"),
            "up",
            "--port",
            str(port),
            "--predict-port",
            "0",
            "--home",
            str(home),
        ]

    folder.mkdir(parents=True, exist_ok=True)
    return serving(command, folder=folder, env=surroundings(folder, {}), log=folder / f"{home.name}.log")


def posted(client: httpx.Client, path: str, body: dict[str, object]) -> dict[str, object]:
    """Post, and give the answer. Raises Failed."""
    try:
        answer = client.post(path, json=body)
    except httpx.HTTPError as error:
        raise Failed(f"{path}: {error}") from error
    if answer.status_code != 200:
        raise Failed(f"{path}: {answer.status_code} {answer.text[:300]}")
    return answer.json()

"""The servers, each with the model of one file, set up with one worker as its documentation recommends."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.frame.environments import ROOT, Environment, Failed, environment, this_tree, version_of
from benchmarks.frame.measure import end_group, surroundings, timed
from benchmarks.frame.servers import free_port, go_on, serving

PROGRAMS = Path(__file__).parent / "programs"
MODELS = ("scikit-learn==1.9.1", "pandas==2.3.3", "joblib==1.5.2", "numpy<2.4")
"""What the models need, the same for every server."""


def ours() -> Environment:
    """Penstock as a user installs it, with what conversion needs."""
    return this_tree("penstock-serving", f"penstock[sklearn] @ file://{ROOT}", *MODELS, "pyarrow==22.0.0")


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A server of others. `command` gives its words from environment, folder, model and port; `path` is asked
    with `body`, made of rows as a list of objects; `health` says when it is up. One that does not bear being
    paused is measured `alone`, when the others have been.
    """

    name: str
    package: str
    make: Callable[[], Environment]
    command: Callable[[Environment, Path, str, int], list[str]]
    path: str
    body: Callable[[list[dict[str, object]]], object] = lambda rows: {"rows": rows}
    prepare: Callable[[Environment, Path, str], None] = lambda _made, _folder, _model: None
    health: str = "/health"
    alone: bool = False

    def version(self) -> str:
        """The installed version."""
        return version_of(self.package, self.make)


class Live(msgspec.Struct, frozen=True):
    """A server that answers at a URL, what it is asked, the process that leads it, and the seconds in which
    it was up where it tells them itself.
    """

    url: str
    body: Callable[[list[dict[str, object]]], object]
    pid: int
    tell: Callable[[str], str] = lambda _text: ""
    start: float = 0.0


@contextlib.contextmanager
def penstock_up(folder: Path, model: str, log_share: int = 100) -> Iterator[Live]:
    """Penstock's prediction process with the model in two versions; "swap" changes the champion. Of its
    answers `log_share` percent go to the prediction log.
    """
    port = free_port()
    words = [str(folder), model, str(port), str(log_share)]
    with started("penstock_server.py", *words, folder=folder) as (said, tell):
        url = f"http://127.0.0.1:{port}/v2/models/{model}/infer"
        yield Live(url, in_columns, int(said[0]), tell, float(said[1]))


@contextlib.contextmanager
def hello_up(folder: Path) -> Iterator[Live]:
    """Penstock's HTTP on its loop, which answers the same to whatever it is asked."""
    port = free_port()
    with started("hello_server.py", str(port), folder=folder) as (said, tell):
        yield Live(f"http://127.0.0.1:{port}/", in_columns, int(said[0]), tell)


@contextlib.contextmanager
def started(program: str, *words: str, folder: Path) -> Iterator[tuple[list[str], Callable[[str], str]]]:
    """A program of Penstock's that says "up", and more, when it is; and what tells it a line and gives its
    answer. Raises Failed.
    """
    log = folder / f"{program}.log"
    command = [ours().python, str(PROGRAMS / program), *words]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=surroundings(folder, {}),
            start_new_session=True,
        )
    assert process.stdin
    assert process.stdout
    try:
        said = process.stdout.readline().split()
        if said[:1] != ["up"]:
            raise Failed(" ".join(log.read_text(errors="replace").split())[-300:])

        def tell(text: str) -> str:
            process.stdin.write(text + "\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        yield said[1:], tell
    finally:
        go_on(process.pid)
        with contextlib.suppress(OSError):
            process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        end_group(process)


@contextlib.contextmanager
def peer_up(peer: Peer, folder: Path, model: str) -> Iterator[Live]:
    """A peer with the model. Raises Failed."""
    made = peer.make()
    place = folder / f"{peer.package}-{model}"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(PROGRAMS, place, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(folder / f"{model}.joblib", place / "model.joblib")
    peer.prepare(made, place, model)
    env = surroundings(
        place, {"MODEL_FILE": str(place / "model.joblib"), "PATH": f"{made.bin}:/usr/bin:/bin"}
    )
    with serving(
        lambda port: peer.command(made, place, model, port),
        folder=place,
        env={**env, "BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true"},
        log=place / "log",
        health=peer.health,
    ) as server:
        yield Live(server.url + peer.path.format(model=model), peer.body, server.pid)


def in_columns(rows: list[dict[str, object]]) -> object:
    """Rows as the columns of the Open Inference Protocol."""
    kinds = {float: "FP64", str: "BYTES"}
    return {
        "inputs": [
            {
                "name": name,
                "shape": [len(rows)],
                "datatype": kinds[type(value)],
                "data": [row[name] for row in rows],
            }
            for name, value in rows[0].items()
        ]
    }


def in_pandas_columns(rows: list[dict[str, object]]) -> object:
    """The same as MLServer's pandas codec asks for it."""
    columns = in_columns(rows)
    for column in columns["inputs"]:
        if column["datatype"] == "BYTES":
            column["parameters"] = {"content_type": "str"}
    return {**columns, "parameters": {"content_type": "pd"}}


def _mlflow_model(made: Environment, place: Path, _model: str) -> None:
    program = [made.python, "mlflow_model.py", "model.joblib", "served"]
    timed(program, folder=place, env=surroundings(place, {"MLFLOW_DISABLE_TELEMETRY": "true"}))


def _mlserver_settings(_made: Environment, place: Path, model: str) -> None:
    named = {"name": model, "implementation": "mlserver_runtime.Rows", "parallel_workers": 0}
    (place / "model-settings.json").write_text(json.dumps(named), encoding="utf-8")


def _mlserver(made: Environment, place: Path, _model: str, port: int) -> list[str]:
    settings = {
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "parallel_workers": 0,
    }
    (place / "settings.json").write_text(json.dumps({**settings, "debug": False}), encoding="utf-8")
    return [made.program("mlserver"), "start", "."]


MLFLOW = Peer(
    name="MLflow models serve",
    package="mlflow",
    make=partial(environment, "serving-mlflow", "mlflow==3.17.2", *MODELS),
    command=lambda made, _place, _model, port: [
        *(made.program("mlflow"), "models", "serve", "-m", "served", "--env-manager", "local"),
        *("--port", str(port), "--workers", "1"),
    ],
    path="/invocations",
    body=lambda rows: {"dataframe_records": rows},
    prepare=_mlflow_model,
)
MLSERVER = Peer(
    name="MLServer",
    package="mlserver",
    make=partial(environment, "serving-mlserver", "mlserver==1.7.1", *MODELS),
    command=_mlserver,
    path="/v2/models/{model}/infer",
    body=in_pandas_columns,
    prepare=_mlserver_settings,
    health="/v2/health/ready",
)
FASTAPI = Peer(
    name="FastAPI + scikit-learn",
    package="fastapi",
    make=partial(environment, "serving-fastapi", "fastapi==0.121.1", "uvicorn[standard]==0.38.0", *MODELS),
    command=lambda made, _place, _model, port: [
        *(made.program("uvicorn"), "fastapi_server:app", "--port", str(port), "--log-level", "warning")
    ],
    path="/predict",
)
LITSERVE = Peer(
    name="LitServe",
    package="litserve",
    make=partial(environment, "serving-litserve", "litserve==0.2.19", *MODELS),
    command=lambda made, _place, _model, port: [made.python, "litserve_server.py", str(port)],
    path="/predict",
)
BENTOML = Peer(
    name="BentoML",
    package="bentoml",
    make=partial(environment, "serving-bentoml", "bentoml==1.4.40", *MODELS),
    command=lambda made, _place, _model, port: [
        made.program("bentoml"),
        "serve",
        "bentoml_server:Rows",
        "--port",
        str(port),
    ],
    path="/predict",
    health="/livez",
)
RAY = Peer(
    name="Ray Serve",
    package="ray",
    make=partial(environment, "serving-ray", "ray[serve]==2.51.1", "protobuf<6", *MODELS),
    command=lambda made, _place, _model, port: [made.python, "ray_server.py", str(port)],
    path="/",
    alone=True,
)
PEERS = (MLFLOW, MLSERVER, FASTAPI, LITSERVE, BENTOML, RAY)

"""The tools, each set up for local durable use as its documentation recommends."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.frame.environments import Environment, environment, penstock
from benchmarks.runs.tools import SHAPES, Tool

STEPS = ("numpy", "polars==2.1.0")
"""What the steps themselves need; Penstock brings it along."""


def _program(file: str, made: Environment, shape: str, seed: int, _state: Path, *more: str) -> list[str]:
    return [made.python, file, shape, str(seed), *more]


def _dagster(executor: str, made: Environment, shape: str, seed: int, state: Path) -> list[str]:
    folder = state / "dagster"
    folder.mkdir(exist_ok=True)
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    return _program("dagster_flow.py", made, shape, seed, state, executor)


def _penstock(made: Environment, shape: str, seed: int, state: Path) -> list[str]:
    module = "tables" if shape == "table" else "shapes"
    return [
        made.program("penstock"),
        "run",
        f"{module}:{shape}",
        "-p",
        f"seed={seed}",
        "--home",
        str(state / "home"),
    ]


def _prototype(workers: int, made: Environment, shape: str, seed: int, state: Path) -> list[str]:
    folder = state / "store"
    folder.mkdir(exist_ok=True)
    return _program("prototype.py", made, shape, seed, state, str(folder), str(workers))


PENSTOCK = Tool(
    name="Penstock",
    package="penstock",
    make=penstock,
    command=_penstock,
    imports="from penstock import pipeline, step",
)
PROTOTYPE = Tool(
    name="prototype, 2 workers",
    package="",
    make=penstock,
    command=partial(_prototype, 2),
    note="under 200 lines that do only this: the practical limit",
)
INLINE = Tool(
    name="prototype, inline",
    package="",
    make=penstock,
    command=partial(_prototype, 0),
    note="the same in one process",
)
DAGSTER = Tool(
    name="Dagster, in process",
    package="dagster",
    make=partial(environment, "dagster", "dagster==1.13.29", *STEPS),
    command=partial(_dagster, "in-process"),
    settings=lambda state: {"DAGSTER_HOME": str(state / "dagster"), "DAGSTER_DISABLE_TELEMETRY": "1"},
    imports="from dagster import job, op",
    note="persistent instance",
)
DAGSTER_PROCESSES = Tool(
    name="Dagster, multiprocess",
    package="dagster",
    make=DAGSTER.make,
    command=partial(_dagster, "multiprocess"),
    settings=DAGSTER.settings,
    shapes=("chain_10", "table"),
    slow=("chain_10", "table"),
    note="persistent instance, its default executor",
)
PREFECT = Tool(
    name="Prefect",
    package="prefect",
    # newer releases of FastAPI are allowed by it and break its server
    make=partial(environment, "prefect", "prefect==3.8.8", "fastapi==0.139.0", *STEPS),
    command=partial(_program, "prefect_flow.py"),
    settings=lambda state: {
        "PREFECT_HOME": str(state / "prefect"),
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # the first one makes its tables
    },
    slow=SHAPES,
    imports="from prefect import flow, task",
    note="local API that it starts itself, persisted results",
)
METAFLOW = Tool(
    name="Metaflow",
    package="metaflow",
    make=partial(environment, "metaflow", "metaflow==2.19.39", *STEPS),
    command=lambda made, shape, seed, _state: [made.python, f"{shape}_flow.py", "run", "--seed", str(seed)],
    settings=lambda state: {"METAFLOW_DATASTORE_SYSROOT_LOCAL": str(state), "USERNAME": "benchmark"},
    prepare=lambda made, shape, _state: [made.python, "metaflow_flow.py", shape, f"{shape}_flow.py"],
    slow=("chain_100", "fan", "table"),
    imports="from metaflow import FlowSpec, step",
    note="local datastore; one step more in the fan-out",
)
ZENML = Tool(
    name="ZenML",
    package="zenml",
    make=partial(environment, "zenml", "zenml[server]==0.98.0", "pandas", "pyarrow", *STEPS),
    command=partial(_program, "zenml_flow.py"),
    settings=lambda state: {"ZENML_CONFIG_PATH": str(state / "zenml"), "ZENML_ANALYTICS_OPT_IN": "false"},
    slow=("chain_100", "fan", "table"),
    imports="from zenml import pipeline, step",
    note="default stack, Polars materializer",
)
KEDRO = Tool(
    name="Kedro",
    package="kedro",
    make=partial(environment, "kedro", "kedro==1.7.0", *STEPS),
    command=partial(_program, "kedro_flow.py"),
    settings=lambda _state: {"KEDRO_DISABLE_TELEMETRY": "1"},
    durable=False,
    imports="from kedro.pipeline import node, pipeline",
    note="SequentialRunner, in memory: nothing durable",
)

LIMITS = (PROTOTYPE, INLINE)
PEERS = (DAGSTER, DAGSTER_PROCESSES, PREFECT, METAFLOW, ZENML, KEDRO)

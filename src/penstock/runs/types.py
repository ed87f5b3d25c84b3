"""Nouns of the orchestrator."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from penstock.lineage.types import Lease
from penstock.pipelines.types import Graph, Node

RunStatus = Literal["queued", "running", "succeeded", "failed", "cancelled", "open"]
StepStatus = Literal["waiting", "queued", "running", "succeeded", "failed", "cancelled", "skipped"]


class Workspace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run's code lives: the Python program of its environment and the folder of the project.

    `data_root` is where file sources are read. `lock` is the digest of the dependencies, `beside` that of the
    files of packages which lie beside the project and are not locked, empty where there are none.
    `penstock` is the version that its runs are made with, empty until one is submitted.
    """

    python: str
    folder: str
    data_root: str
    lock: str
    beside: str = ""
    penstock: str = ""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What a run from a person's folder was made of, as far as it was to be found out.

    `commit` is what was checked out and `changes` the blob of a patch with what was not committed;
    `python` names the version and system; `packages` is the blob of a JSON object with their versions, and
    `sources` that of one with the text of the project's modules that steps lead to, by path.
    """

    commit: str = ""
    changes: str = ""
    python: str = ""
    packages: str = ""
    sources: str = ""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of a pipeline. `id` is a number; `release` is a digest, empty for a run from a folder.

    `as_of` is the domain's time at which sources are read; `firing` the trigger firing that asked for it,
    and `sweep` the search of which it is a trial.
    Where there is not room for all, runs of higher `priority` come first, then older ones.
    `experiment` is the number of the series that it belongs to. A run that something else carries out has
    no graph: it is `open` until that says how it ended, and may be `deleted` by it.
    """

    id: str
    project: str
    pipeline: str
    environment: str
    release: str
    firing: str
    graph: Graph
    params: dict[str, Any]
    workspace: Workspace
    as_of: datetime
    created: datetime
    origin: Origin = Origin()
    sweep: str = ""
    status: RunStatus = "queued"
    started: datetime | None = None
    finished: datetime | None = None
    error: str = ""
    actor: str = "penstock"
    event: int = 0
    priority: int = 0
    experiment: str = ""
    deleted: datetime | None = None

    @property
    def told(self) -> bool:
        """Whether something else carries it out, and this is what it tells."""
        return not self.graph.target


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """An output of a step: its digest in the blob store, its format and its size in bytes.

    `meta` holds small facts that the format knows, such as rows and columns; those that belong to the value
    and are not in its bytes, such as the name of a file, are `beside` in it. What has the format `element`
    is part of another artifact (see `lists`) and named by the digest of its own bytes.
    """

    digest: str
    format: str
    size: int
    meta: dict[str, Any] = {}


class StepRun(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a run. `id` is `run/node`. `why` says why it ran or from where it was taken.

    A node that goes over lists has a step run of its own for each element, `run/node[0]` and so on, whose
    `items` are the elements of lists that were there whole, by input; the node's step run waits for them
    and then has the list of their outputs.

    `attempt` counts the claims since it was asked for; of these, `errors` ended in an error
    and `losses` with the worker's death. `token` counts every claim there ever was. After an error it
    rests until `not_before`, which is the machine's time.
    `seconds`, `cpu` (seconds of processors) and `memory` (peak in bytes) are those of the last attempt;
    `figures` are the pictures that it logged, by name, and `files` other files, by path.
    """

    id: str
    run: str
    name: str
    items: dict[str, Artifact] = {}
    status: StepStatus = "waiting"
    key: str = ""
    attempt: int = 0
    errors: int = 0
    losses: int = 0
    lease: Lease | None = None
    token: int = 0
    outputs: dict[str, Artifact] = {}
    cached_from: str = ""
    why: str = ""
    error: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    seconds: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    figures: dict[str, Artifact] = {}
    not_before: datetime | None = None
    files: dict[str, Artifact] = {}


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A number that a step logged or a pipeline published. `id` is `run/step/name/index`.

    `final` says that it is the last of its name in its step. Of a run that something else carries out,
    `step` is empty and `id` ends with the metric's time and value, since a count may come twice.
    """

    id: str
    run: str
    step: str
    name: str
    value: float
    index: int
    time: datetime
    final: bool = False


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A step run made ready for an executor: nothing in it needs the store.

    `inputs` maps each parameter to an artifact; `values` maps each remaining one to a JSON value.
    `secrets` are values of environment variables: a task is never stored, and never printed.
    """

    step_run: str
    token: int
    node: Node
    workspace: Workspace
    as_of: datetime
    inputs: dict[str, Artifact] = {}
    values: dict[str, Any] = {}
    secrets: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Task({self.step_run!r}, token={self.token})"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a task. `error` is one sentence, empty when it went well; `raised` has the names
    of the error's class and of those it descends from, by which `retry_on` knows it.

    `lost` is true when the worker died without answering. `memory` is the peak in bytes,
    `cpu` the seconds of processors, `figures` are the pictures that were logged, by name, and `files` other
    files, by path.
    """

    step_run: str
    token: int
    outputs: dict[str, Artifact] = {}
    metrics: tuple[tuple[str, float, int], ...] = ()
    error: str = ""
    raised: tuple[str, ...] = ()
    lost: bool = False
    seconds: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    figures: dict[str, Artifact] = {}
    files: dict[str, Artifact] = {}

"""Graphs: what drawing a pipeline gives. All of it is data that travels as JSON."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Output(msgspec.Struct, frozen=True, tag="output"):
    """An input that is the output `name` of the node `node`."""

    node: str
    name: str = "result"


class Param(msgspec.Struct, frozen=True, tag="param"):
    """An input that is a parameter of the pipeline."""

    name: str


class Value(msgspec.Struct, frozen=True, tag="value"):
    """An input that is written in the pipeline: a JSON-like value."""

    value: Any


Input = Output | Param | Value


class Way(msgspec.Struct, frozen=True):
    """One side of a choice: what is in it runs only when the condition came out as `taken`.

    With `each` the condition is an element of a list, and every element goes its own way.
    """

    condition: Input
    taken: bool
    each: bool = False


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a step wants to be run. `timeout` is in seconds, 0 for none; `memory` in bytes, 0 for any.

    An error is tried again `retries` times if one of its names is in `retry_on`, which is empty for
    any error; first after `backoff` seconds, then after twice as long each time. `secrets` are the names of
    what it finds in its environment variables while it runs.
    """

    retries: int = 0
    retry_on: tuple[str, ...] = ()
    backoff: float = 0.0
    timeout: float = 0.0
    cache: bool = True
    cpus: float = 1.0
    gpus: float = 0.0
    memory: int = 0
    secrets: tuple[str, ...] = ()


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A step in a graph.

    `kind` says what is done: `step` calls the user's function `target`
    (`package.module:function`), `snapshot` reads a source, `timeline` lays out what a feature view makes of
    it, `rows` joins a training set, `spine` says which rows it is made of where it is made in partitions and
    `part` joins a share of them, `publish` makes a model ready for the registry, `import` one that was made
    elsewhere, `features` makes the newest values of a feature view for the online store, `skew` holds what
    was read online of a view against what training reads, `choose` gives whichever of its inputs `then` and
    `otherwise` its `condition` asks for.
    `over` names the inputs that are lists of equal length, for whose elements the node is run one by one;
    it is empty for a node that is run once. `when` holds the ways that must all be taken for it to run.
    `settings` are data that belong to the node itself, such as the source's declaration.
    `code` is the digest of the user's code that the node runs.
    """

    name: str
    kind: Literal[
        "step",
        "snapshot",
        "timeline",
        "spine",
        "part",
        "rows",
        "publish",
        "import",
        "features",
        "skew",
        "choose",
    ]
    target: str = ""
    inputs: dict[str, Input] = {}
    outputs: tuple[str, ...] = ("result",)
    settings: dict[str, Any] = {}
    options: Options = Options()
    code: str = ""
    over: tuple[str, ...] = ()
    when: tuple[Way, ...] = ()

    @property
    def shared(self) -> bool:
        """Whether it belongs to the whole pipeline, wherever it is first asked for."""
        return self.kind in {"snapshot", "timeline"}


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of a pipeline with its default.

    `type` is `int`, `float`, `str`, `bool` or `datetime`, or a list of one of them such as `list[int]`;
    with `choices`, it or its elements are one of these. An `optional` one may be None.
    """

    name: str
    type: str
    choices: tuple[Any, ...] = ()
    optional: bool = False
    default: Any = None
    required: bool = False


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """A drawn pipeline: nodes in an order in which they can run.

    At most `concurrency` runs of it are under way at once in an environment, 0 for any number.
    """

    pipeline: str
    target: str
    parameters: tuple[Parameter, ...] = ()
    nodes: tuple[Node, ...] = ()
    concurrency: int = 0


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """What a `publish` node yields as JSON: a model that may become a version.

    Everything named by a digest lies in the blob store. `signature` is a
    `models.types.Signature`, `profile` a `datasets.types.Profile` of the training rows,
    `holdout` an Arrow IPC file of the rows the metrics were measured on, with the label.
    `examples` is a JSON blob: {"inputs": {column: [...]}, "score": [...], "label": [...]}.
    `prior` is a `datasets.types.Prior` of the training rows, empty where there were none; `dependencies`
    are the packages that made the model, with their versions; `tags` and `metadata` are the pipeline's own.
    `days` is a JSON blob, a `datasets.days.Days` of the rows and of the answers to the holdout; `influence`
    is how much of the movement of answers is due to each input, in shares. `estimator` is a JSON blob, a
    `monitoring.estimates.Estimator`: what the holdout tells of answers without labels. `origins` are
    the `Origins` that tell where inputs come from.
    """

    model: str
    format: str
    artifact: str
    size: int
    signature: dict[str, Any]
    metrics: dict[str, float]
    profile: dict[str, Any]
    examples: str
    holdout: str
    label: str
    parity: dict[str, Any]
    snapshots: tuple[str, ...] = ()
    prior: dict[str, Any] = {}
    dependencies: dict[str, str] = {}
    tags: dict[str, str] = {}
    metadata: dict[str, Any] = {}
    days: str = ""
    estimator: str = ""
    influence: dict[str, float] = {}
    origins: dict[str, Any] = {}
    expectations: dict[str, Any] = {}

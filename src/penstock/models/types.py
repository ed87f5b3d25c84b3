"""Nouns of the model registry."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from penstock.datasets.types import Column, Prior, Profile
from penstock.features.types import Origins

Task = Literal["binary", "multiclass", "regression", "unknown"]
Role = Literal[
    "candidate",
    "challenger",
    "champion",
    "previous",
    "retired",
    "rejected",
    "reverted",
    "superseded",
    "archived",
]
NATIVE = "skops"
"""The format of a model that is served by its own library: data only, which executes nothing."""
PICKLE = "unsafe_pickle"
"""The format of a model that nothing else can keep, where a project says so by name: loading it runs whatever
it names, so that only the child that serves it does."""
APART = (NATIVE, PICKLE)
"""The formats of models that are served in a child process of their release's environment."""
FILES = "files"
"""The format of a version that is kept as a client uploaded it: its artifact is a list of files, and nobody
has proved what they hold, so that it cannot be served."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What a model takes and gives. `classes` are the labels in the order of the probabilities.

    Of a version that a client uploaded the task is unknown, and no inputs are told.
    """

    task: Task
    inputs: tuple[Column, ...]
    classes: tuple[str, ...] = ()


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A named model of a project, or of clients, which have none. `id` is its name.

    What clients have registered they may withdraw; it comes back with its next version.
    """

    id: str
    project: str
    created: datetime
    withdrawn: datetime | None = None


def owner_of(model: Model) -> str:
    """Whose a model is, in a sentence: nobody else may add versions."""
    return f"the project {model.project}" if model.project else "clients, which upload its versions"


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A registered model version. `id` is `model@number`; it never changes once added, but for being
    withdrawn by the client that uploaded it.

    `artifact` is the digest of the serialized model, `location` its remote path,
    `training` the snapshots, rows and features it was made from, `prior` the label in these rows;
    `dependencies` are the packages that made it. `governance` tells who made it from what, and as
    `penstock.toml` said it then, what it is for, its risk and its owners; it may not go live any more once it
    `expires`. `metadata` is whatever else was given. `runtime` names the environment of the release that
    made it, in which a model is served that only its own library answers. `days` is the digest of how its
    rows and answers were by day (`datasets.days.Days`), empty where nobody knows, and `influence` the share
    of each input in how answers move. `estimator` is the digest of what its holdout tells of answers without
    labels (`monitoring.estimates.Estimator`), empty where that was too small.
    """

    id: str
    model: str
    number: int
    project: str
    environment: str
    run: str
    added: datetime
    format: str
    artifact: str
    location: str
    size: int
    signature: Signature
    metrics: dict[str, float]
    profile: Profile
    examples: str
    holdout: str
    label: str
    parity: dict[str, Any]
    training: dict[str, Any]
    governance: dict[str, Any]
    metadata: dict[str, Any] = {}
    dependencies: dict[str, str] = {}
    prior: Prior = Prior(rows=0)
    expires: datetime | None = None
    event: int = 0
    withdrawn: datetime | None = None
    runtime: str = ""
    days: str = ""
    estimator: str = ""
    influence: dict[str, float] = {}

    @property
    def origins(self) -> Origins:
        """Where those inputs come from that a request need not give."""
        return msgspec.convert(self.training.get("origins", {}), Origins)


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """A name that somebody gave to a version of a model, to ask for it by. `id` is `model@name`.

    It decides nothing: what answers is the champion. Without a number it was taken away.
    """

    id: str
    model: str
    name: str
    number: int | None


class Protection(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word that a version stays, with all that its run read and made, until that is `ended`.

    `id` is `model@number`.
    """

    id: str
    model: str
    number: int
    why: str
    actor: str
    since: datetime
    event: int
    ended: datetime | None = None


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Which role a version has in an environment since when. `id` is `environment:model@number`.

    A version without a placement has not been judged yet. The stage is derived from placements.
    """

    id: str
    environment: str
    project: str
    model: str
    number: int
    role: Role
    since: datetime
    actor: str
    why: str
    event: int


class RoleChange(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the append-only history: a version took a role. `id` is a number."""

    id: str
    environment: str
    model: str
    number: int
    role: Role
    time: datetime
    actor: str
    why: str
    event: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What the registry shows of a version: its model, its derived stage and where it has which role."""

    model: Model
    version: Version
    stage: str
    placements: tuple[Placement, ...]

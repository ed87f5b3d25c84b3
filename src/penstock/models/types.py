"""Nouns of the model registry."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from penstock.datasets.types import Column, Profile

Task = Literal["binary", "multiclass", "regression"]
Role = Literal["candidate", "champion", "previous", "retired", "rejected"]


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What a model takes and gives. `classes` are the labels in the order of the probabilities."""

    task: Task
    inputs: tuple[Column, ...]
    classes: tuple[str, ...] = ()


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A named model of a project. `id` is its name."""

    id: str
    project: str
    created: datetime


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A registered model version. `id` is `model@number`; it never changes once added.

    `artifact` is the digest of the serialized model, `location` its remote path,
    `training` the snapshots, rows and profile it was made from, `governance` who made it from what,
    `metadata` whatever else was given.
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
    event: int = 0


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

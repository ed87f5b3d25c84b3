"""Nouns of triggers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

Kind = Literal["deployed", "on_demand", "schedule", "new_rows", "worse", "drift"]


class Firing(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger fired. `id` is a number; `slot` is unique, so that a reason starts one run only.

    `kind` is the first of the reasons, `events` are all the ledger events that it consumed.
    """

    unique: ClassVar[tuple[str, ...]] = ("slot",)

    id: str
    slot: str
    project: str
    environment: str
    pipeline: str
    kind: Kind
    time: datetime
    why: str
    evidence: dict[str, Any]
    events: tuple[int, ...]
    run: str
    event: int


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A person's or a program's wish for a run on demand. `id` is a number; `firing` is set when granted.

    `priority` is that of the run, None for what is usual in the environment.
    """

    id: str
    project: str
    environment: str
    pipeline: str
    params: dict[str, Any]
    actor: str
    why: str
    time: datetime
    priority: int | None = None
    firing: str = ""
    event: int = 0


class TriggerState(msgspec.Struct, frozen=True, kw_only=True):
    """What a trigger last decided. `id` is `project:environment:pipeline`.

    `since` is when the trigger began to be watched: schedule slots before it never fire. `used` are the
    newest slots that have started a run, by condition.
    """

    id: str
    project: str
    environment: str
    pipeline: str
    since: datetime
    checked: datetime
    fired: datetime | None
    paused: bool
    explanation: str
    used: dict[str, str] = {}


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a trigger fired, or for how long it did not. `id` is a number.

    It was looked at `looks` times from `since` to `until`, and each time the explanation was the same but for
    its numbers, of which these are the last. `firing` is set where it fired.
    """

    id: str
    trigger: str
    since: datetime
    until: datetime
    looks: int
    explanation: str
    firing: str = ""

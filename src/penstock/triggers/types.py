"""Nouns of triggers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

from penstock.revisions.config import Then

Kind = Literal[
    "deployed",
    "on_demand",
    "signal",
    "schedule",
    "new_rows",
    "new_bytes",
    "new_partitions",
    "new_versions",
    "worse",
    "drift",
    "skew",
]
What = Literal["notify", "issue", "rollback", "sweep"]


class Firing(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger fired. `id` is a number; `slot` is unique, so that a reason starts one run only.

    `kind` is the first of the reasons, `events` are all the ledger events that it consumed. It leads to what
    `then` says; `run` is empty where that is no run.
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
    then: tuple[Then, ...] = ("run",)


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done because of an event, beside the store: at least once, and in its own time.

    `id` is `event:what:target`: a channel, a repository, a model or a pipeline. `delivery` is the name under
    which a receiver hears of it, the same however often it does. `firing` is empty where a channel is told of
    an event that it subscribes to. `not_before` is the machine's time; `result` is what came of it, such as
    the address of an issue, and `problem` why it was not done the last time.
    """

    id: str
    project: str
    environment: str
    what: What
    target: str
    status: Literal["waiting", "done", "given_up"] = "waiting"
    attempts: int = 0
    problem: str = ""
    result: str = ""
    firing: str
    cause: int
    made: datetime
    not_before: datetime | None = None
    delivery: str
    details: dict[str, Any]


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


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """A program told that something happened. `id` is `project:name:delivery`, so that it counts once.

    Who told it, and what with it, stands in its `event`.
    """

    id: str
    project: str
    name: str
    time: datetime
    event: int


class TriggerState(msgspec.Struct, frozen=True, kw_only=True):
    """What a trigger last decided. `id` is `project:environment:pipeline`.

    `since` is when the trigger began to be watched: schedule slots before it never fire. `used` are the
    newest slots that have fired, by condition; `rested` is when it last led to the same, by what that is.
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
    rested: dict[str, datetime] = {}


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

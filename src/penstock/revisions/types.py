"""Nouns of source control."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Role = Literal["viewer", "ml_expert", "operator", "admin", "service"]
State = Literal["pending", "success", "failure"]


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A git repository, or a folder of one, that Penstock looks after. `id` is its name.

    `data_root` is the folder against which the project's file sources are read. `repository` is the
    project whose repository holds this one too, `folder` where it lies there; both are empty for a
    project that has a repository to itself.
    """

    id: str
    created: datetime
    data_root: str
    protected: str = "main"
    repository: str = ""
    folder: str = ""


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """A commit seen on a watched branch. `id` is `project:commit` (40 hexadecimal digits).

    `link` shows it at the forge that it came from, empty for the built-in one. `superseded` is the
    commit that was pushed on top of it before it was built, where only the newest is to be.
    """

    id: str
    project: str
    commit: str
    branch: str
    author: str
    message: str
    seen: datetime
    event: int
    link: str = ""
    superseded: str = ""


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """Where a watched branch stands. `id` is `project:name`; `approvals` are those of a merge.

    `waits` is a sentence about what is not known of it yet, such as who approved it; `link` shows
    the reviewed change at its forge. `merged` is the event by which the protected branch came to hold its
    newest commit, 0 before; it is `deleted` once its forge has it no more.
    """

    id: str
    project: str
    name: str
    commit: str
    moved: datetime
    event: int
    merged_from: str = ""
    approvals: tuple[str, ...] = ()
    waits: str = ""
    link: str = ""
    merged: int = 0
    deleted: datetime | None = None


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A person's yes to a revision. `id` is `project:commit:actor`.

    It is `withdrawn` when the branch moves on before the revision was merged, and then counts no more.
    """

    id: str
    project: str
    commit: str
    actor: str
    time: datetime
    event: int
    withdrawn: datetime | None = None


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """Leave to use the system over HTTP. `id` is a number; of the token only the digest is kept.

    `project` is empty for all projects, `environment` for all of theirs. `created`, `expires` and `revoked`
    are the machine's times.
    """

    id: str
    actor: str
    role: Role
    project: str
    digest: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None = None
    event: int = 0
    environment: str = ""


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """The repository outside that a project comes from. `id` is the project.

    `forge` says how its host speaks ("git" is a host that only speaks git), `address` is what git
    fetches, `api` and `web` are where programs and people go. All times are the machine's: when it
    was told to look (`knocked`), when the last look that succeeded began (`looked`), and before when
    it does not look again (`not_before`). `waits` is a sentence about what keeps it.
    """

    id: str
    forge: str
    repository: str
    address: str
    web: str = ""
    api: str = ""
    knocked: datetime | None = None
    looked: datetime | None = None
    not_before: datetime | None = None
    failures: int = 0
    asked: int = 0
    ask_after: datetime | None = None
    waits: str = ""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that was believed. `id` is `project:the forge's number of it`, so that it counts once."""

    id: str
    project: str
    kind: str
    received: datetime


class CommitStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the outside forge is to be told of a commit, and whether it was. `id` is `project:commit:context`.

    `path` is where this system shows more. `not_before` and `attempts` belong to the sending.
    """

    id: str
    project: str
    commit: str
    context: str
    state: State
    description: str
    path: str
    sent: bool = False
    attempts: int = 0
    not_before: datetime | None = None
    problem: str = ""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a forge says about a branch now, or about a commit on its way there."""

    branch: str
    commit: str
    author: str
    message: str
    parents: tuple[str, ...] = ()

"""Nouns of source control."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A git repository that Penstock looks after. `id` is its name.

    `data_root` is the folder against which the project's file sources are read.
    """

    id: str
    created: datetime
    data_root: str
    protected: str = "main"


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """A commit seen on a watched branch. `id` is `project:commit` (40 hexadecimal digits)."""

    id: str
    project: str
    commit: str
    branch: str
    author: str
    message: str
    seen: datetime
    event: int


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """Where a watched branch stands. `id` is `project:name`; `approvals` are those of a merge."""

    id: str
    project: str
    name: str
    commit: str
    moved: datetime
    event: int
    merged_from: str = ""
    approvals: tuple[str, ...] = ()


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A person's yes to a revision. `id` is `project:commit:actor`."""

    id: str
    project: str
    commit: str
    actor: str
    time: datetime
    event: int


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a forge says about a branch now."""

    branch: str
    commit: str
    author: str
    message: str

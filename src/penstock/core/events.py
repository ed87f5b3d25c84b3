"""Events: facts that are appended to the ledger and never changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One fact: who did what to which subject, why, with what evidence.

    `subject` is a reference such as `run:128`, `version:delay@3`, `release:4f0c…`.
    `cause` is the id of the event that led to this one.
    `id`, `previous` and `digest` are given by the ledger when it seals the event.
    """

    kind: str
    subject: str
    time: datetime
    actor: str = "penstock"
    project: str = ""
    evidence: dict[str, Any] = {}
    cause: int | None = None
    id: int = 0
    previous: str = ""
    digest: str = ""

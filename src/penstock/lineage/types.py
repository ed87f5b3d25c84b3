"""Small nouns that every part of the system may keep in the store."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A named fact of the home, such as the virtual clock's time."""

    id: str
    value: str


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """How far a reader has come in a log: `position` is a byte offset or an event id."""

    id: str
    position: int


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A text that only programs of this home may read, sealed; `id` is its name, such as `forge:flights`.

    It is part of no page, event, log or answer.
    """

    id: str
    sealed: str
    changed: datetime


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A claim on a piece of work.

    `until` is the machine's time, not the domain's; `token` grows with each claim, so that a late
    holder can be refused.
    """

    owner: str
    token: int
    until: datetime


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the ledger is as it was sealed.

    `count` events are whole, `head` is the digest of the last of them; `broken_at` is the id of the
    first line that was changed, moved or removed, None when `ok`.
    """

    ok: bool
    count: int
    head: str
    broken_at: int | None = None


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """A text that somebody attached to a noun under a key.

    `subject` is a reference such as `run:128` or `version:delay@3`, and `id` is `subject/key`. A tag that was
    removed has no value.
    """

    id: str
    subject: str
    key: str
    value: str | None


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a client stored with a run or a logged model. `id` is `subject/path`.

    `path` only names it there (see `attachments`): its bytes are the blob `digest` of `size` bytes. A file
    that was removed has no digest.
    """

    id: str
    subject: str
    path: str
    digest: str | None
    size: int
    stored: datetime

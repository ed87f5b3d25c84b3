"""The hash chain: each sealed event carries the digest of the one before it."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.core.digests import digest_value
from penstock.core.events import Event
from penstock.lineage.nouns import instant


def seal(event: Event, last: Event | None) -> Event:
    """The event as it stands in the ledger after `last` (None for the first).

    Evidence is kept as the JSON values it becomes, so that reading it back gives the same digest.
    """
    sealed = msgspec.structs.replace(
        event,
        id=last.id + 1 if last else 1,
        previous=last.digest if last else "",
        time=instant(event.time),
        evidence=msgspec.json.decode(msgspec.json.encode(event.evidence)),
    )
    return msgspec.structs.replace(sealed, digest=digest_of(sealed))


def digest_of(event: Event) -> str:
    """The digest of everything in a sealed event but the digest itself."""
    content: dict[str, Any] = {name: getattr(event, name) for name in event.__struct_fields__}
    del content["digest"]
    return digest_value(content)


def follows(event: Event, last: Event | None) -> bool:
    """Whether the event is unchanged and stands where it was sealed, right after `last`."""
    return (
        event.id == (last.id + 1 if last else 1)
        and event.previous == (last.digest if last else "")
        and event.digest == digest_of(event)
    )

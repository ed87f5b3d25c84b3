"""What triggers need from outside: how much has come, and ways to tell somebody."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from penstock.core.events import Event
from penstock.datasets.types import Arrived, Level, Source


class Arrivals(Protocol):
    """Sees what becomes known of a source."""

    def since(
        self, source: Source, data_root: str | Path, before: Level | datetime | None, as_of: datetime
    ) -> Arrived:
        """What became known after a moment (ever, for None) and until `as_of`.

        Raises NotFound, InvalidValue or Unavailable where rows cannot be read.
        """
        ...


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is told of an event: a title and lines of text for people, the event for programs.

    It has the name `delivery` however often it is sent. `chain` is the same for all that follow from one
    first cause; `source` says which system and project tell it, and `link` where there is more.
    """

    delivery: str
    event: Event
    chain: str
    source: str
    title: str
    text: str
    link: str = ""


class Channel(Protocol):
    """A way to tell somebody something."""

    def send(self, address: str, key: str, message: Message) -> None:
        """Tell it, signed with a key unless that is empty. No error repeats the address, which is a secret.

        Raises InvalidValue for an address that cannot be one and a message that is not taken, NotAllowed
        where the receiver refuses us, Unavailable where it does not answer, and Busy where it wants rest.
        """
        ...

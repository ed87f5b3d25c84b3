"""What deployments need from outside: what became of predictions."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """The labelled predictions of a version, in the order in which their labels came, each of shape (n,).

    `ids` of a shadow are those of the answers that were given in its place.
    """

    ids: tuple[str, ...] = ()
    truth: tuple[float, ...] = ()
    score: tuple[float, ...] = ()
    label: tuple[str, ...] = ()


class Labelled(Protocol):
    """Knows what really happened."""

    def labels(self, model: str, environment: str, since: datetime) -> tuple[int, datetime | None]:
        """How many labels are known of what was predicted since a moment, and when the newest came.

        Whenever a label comes or is corrected, one of the two differs.
        """
        ...

    def outcomes(self, model: str, environment: str, version: int, variant: str, since: datetime) -> Outcomes:
        """What a version answered as a variant since a moment, as far as labels have come."""
        ...

"""The clock of a home: the machine's, or a virtual one whose time is a row that every process reads."""

from __future__ import annotations

from datetime import datetime

from penstock.core.clock import SystemClock
from penstock.core.errors import Conflict, NotAllowed
from penstock.lineage.nouns import instant
from penstock.lineage.ports import Reader, Store
from penstock.lineage.types import Setting

_KIND = "clock_kind"
_TIME = "clock"


def clock_settings(now: datetime | None) -> tuple[Setting, ...]:
    """What a new home is born with: a virtual clock that shows `now`, or the machine's."""
    if now is None:
        return (Setting(id=_KIND, value="real"),)
    return (Setting(id=_KIND, value="virtual"), Setting(id=_TIME, value=instant(now).isoformat()))


class StoreClock:
    """The `core.clock.Clock` of a home. Which kind it is was settled when the home was made."""

    def __init__(self, store: Store) -> None:
        self._store = store
        with store.read() as reader:
            self.virtual = bool(reader.find(Setting, id=_KIND, value="virtual"))

    def now(self) -> datetime:
        """The home's present moment in UTC."""
        if not self.virtual:
            return SystemClock().now()
        with self._store.read() as reader:
            return _time(reader)

    def virtual_now(self) -> datetime | None:
        """The present moment if time is virtual, None if it is the machine's."""
        return self.now() if self.virtual else None

    def require_virtual(self) -> None:
        """Raise NotAllowed in a home with the real clock."""
        if not self.virtual:
            raise NotAllowed(
                what="This home keeps the machine's time, which cannot be set",
                fix="Make a new home for a virtual clock.",
            )

    def advance(self, to: datetime) -> None:
        """Move the virtual time forward.

        Raises NotAllowed in a home with the real clock, Conflict for a time before the present one.
        """
        self.require_virtual()
        with self._store.begin() as tx:
            now = _time(tx)
            if to < now:
                raise Conflict(
                    what="Time does not go backwards",
                    expected=f"a time not before {now.isoformat()}",
                    found=to.isoformat(),
                )
            tx.put(Setting(id=_TIME, value=instant(to).isoformat()))


def _time(reader: Reader) -> datetime:
    return datetime.fromisoformat(reader.get(Setting, _TIME).value)

"""Another date and another salt for a project, so that what it makes of `now` and `hash` shows."""

from __future__ import annotations

import datetime as dt
import sys
import time as times
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

LATER = dt.timedelta(days=100, hours=7)


class _Dated(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, cls.__mro__[1])


class _Moment(dt.datetime, metaclass=_Dated):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:
        return dt.datetime.now(tz) + LATER

    @classmethod
    def utcnow(cls) -> Any:
        return dt.datetime.now(dt.UTC).replace(tzinfo=None) + LATER

    @classmethod
    def today(cls) -> Any:
        return cls.now()


class _Day(dt.date, metaclass=_Dated):
    @classmethod
    def today(cls) -> Any:
        return dt.date.today() + LATER  # noqa: DTZ011 - as whoever calls it means it


def _seconds() -> float:
    return times.time() + LATER.total_seconds()


def _salted(value: Any) -> int:
    """What `hash` gives in another process: other numbers of texts and dates, the same of numbers."""
    if isinstance(value, tuple):
        return hash(tuple(_salted(each) for each in value))
    if isinstance(value, str | bytes | dt.date | dt.time):
        return hash(("another process", value))
    return hash(value)


def _module(of: ModuleType, **other: Any) -> ModuleType:
    module = ModuleType(of.__name__)
    vars(module).update(vars(of) | other)
    return module


_INSTEAD: dict[int, Any] = {
    id(dt.datetime): _Moment,
    id(dt.date): _Day,
    id(times.time): _seconds,
    id(dt): _module(dt, datetime=_Moment, date=_Day),
    id(times): _module(times, time=_seconds),
}


@contextmanager
def later(packages: Collection[str]) -> Iterator[None]:
    """Within it the modules of these packages find a clock that is `LATER` ahead where they ask for the time.

    And a `hash` that is salted otherwise, as in every process. Only names that they imported are replaced;
    libraries keep their clock and their hash.
    """
    changed: list[tuple[dict[str, Any], str, Any]] = []
    salted: list[dict[str, Any]] = []
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in packages and isinstance(module, ModuleType):
            names = vars(module)
            changed += [(names, key, value) for key, value in names.items() if id(value) in _INSTEAD]
            salted += [names] if "hash" not in names else []
    try:
        for names, key, value in changed:
            names[key] = _INSTEAD[id(value)]
        for names in salted:
            names["hash"] = _salted
        yield
    finally:
        for names, key, value in changed:
            names[key] = value
        for names in salted:
            names.pop("hash", None)

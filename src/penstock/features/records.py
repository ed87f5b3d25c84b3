"""What the online store keeps: bytes by the key of an entity, which newer ones replace."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from penstock.features.aggregates import value_of
from penstock.features.types import Aggregate, OnlineView

Status = Literal["PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"]
"""What became of a feature that was asked for, in the words of Feast."""
STAMP = 16
"""Bytes at the beginning of a record that say how new it is: newer records have greater ones."""
TIMES = "penstock.times"
"""What the times of the events of an aggregate are kept as, in microseconds since 1970."""
_times = struct.Struct(">QQ")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SHIFT = 1 << 63
"""Added to microseconds since 1970, so that earlier years too come in the order of their bytes."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode


class Record(msgspec.Struct, frozen=True, gc=False):
    """The values of an entity's newest event. `happened` and `told` are when it was and when it became known,
    in microseconds since 1970: as moments they are only made where somebody wants to see them.
    """

    happened: int
    told: int
    values: dict[str, Any]

    @property
    def event(self) -> datetime:
        """When it happened, in UTC."""
        return _EPOCH + timedelta(0, 0, self.happened)

    @property
    def known(self) -> datetime:
        """When it became known, in UTC."""
        return _EPOCH + timedelta(0, 0, self.told)


def of_feature(stands: Status, counts: Mapping[str, Any], feature: str) -> Status:
    """What a feature is, where its record stands so and this counts of it (see `values_at`)."""
    if stands != "PRESENT":
        return stands
    if feature not in counts:
        return "NOT_FOUND"
    return "NULL_VALUE" if counts[feature] is None else "PRESENT"


def values_at(view: OnlineView, record: Record | None, now: datetime) -> tuple[Status, dict[str, Any]]:
    """What became of a view's record at a moment, and the features that count; others are null."""
    status = standing(record, view.ttl, now)
    kept = record.values if record and status == "PRESENT" else {}
    return status, aggregated(view.aggregates, kept, now) if view.aggregates else kept


def aggregated(aggregates: Sequence[Aggregate], kept: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Aggregates at a moment of the events that are kept of an entity (see `windows.tails`)."""
    moment, times = _microseconds(now), kept.get(TIMES, ())
    end, found = bisect_right(times, moment), {}
    for each in aggregates:
        start = bisect_right(times, moment - round(each.over * 1e6), hi=end)
        values = kept.get(each.column, ())[start:end] if each.column else times[start:end]
        found[each.name] = value_of(each, [value for value in values if value is not None])
    return found


def entity_key(entity: Sequence[str], values: Sequence[Any]) -> bytes:
    """The key of an entity by its columns and their values: whole numbers, text or booleans."""
    return _encode((*entity, *values))


def encode_record(event: int, known: int, values: dict[str, Any]) -> bytes:
    """A record; `event` and `known` are microseconds since 1970."""
    return _times.pack(event + _SHIFT, known + _SHIFT) + _encode(values)


def decode_record(data: bytes) -> Record:
    """The record again."""
    event, known = _times.unpack_from(data)
    return Record(event - _SHIFT, known - _SHIFT, _decode(data[STAMP:]))


def standing(record: Record | None, ttl: float, now: datetime) -> Status:
    """What a record is at a moment: NOT_FOUND, OUTSIDE_MAX_AGE or PRESENT."""
    if record is None:
        return "NOT_FOUND"
    moment = _microseconds(now)
    if record.happened > moment or record.told > moment:
        return "NOT_FOUND"
    return "OUTSIDE_MAX_AGE" if ttl and moment - record.happened > round(ttl * 1e6) else "PRESENT"


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND

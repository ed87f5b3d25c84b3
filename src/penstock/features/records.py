"""What the online store keeps: bytes by the key of an entity, which newer ones replace."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec

Status = Literal["PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"]
"""What became of a feature that was asked for, in the words of Feast."""
STAMP = 16
"""Bytes at the beginning of a record that say how new it is: newer records have greater ones."""
_times = struct.Struct(">QQ")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHIFT = 1 << 63
"""Added to microseconds since 1970, so that earlier years too come in the order of their bytes."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode


class Record(NamedTuple):
    """The values of an entity's newest event, in UTC."""

    event: datetime
    known: datetime
    values: dict[str, Any]


def entity_key(entity: Sequence[str], values: Sequence[Any]) -> bytes:
    """The key of an entity by its columns and their values: whole numbers, text or booleans."""
    return _encode([*entity, *values])


def encode_record(event: int, known: int, values: dict[str, Any]) -> bytes:
    """A record; `event` and `known` are microseconds since 1970."""
    return _times.pack(event + _SHIFT, known + _SHIFT) + _encode(values)


def decode_record(data: bytes) -> Record:
    """The record again."""
    event, known = _times.unpack_from(data)
    return Record(
        _EPOCH + timedelta(0, 0, event - _SHIFT),
        _EPOCH + timedelta(0, 0, known - _SHIFT),
        _decode(memoryview(data)[STAMP:]),
    )


def status_of(record: Record | None, feature: str, ttl: float, now: datetime) -> Status:
    """What a feature is at a moment, by the rules of the join; `ttl` is in seconds, 0 for no limit."""
    return of_feature(record, standing(record, ttl, now), feature)


def of_feature(record: Record | None, stands: Status, feature: str) -> Status:
    """What a feature is, of a record of which it is known how it stands."""
    if record is None or feature not in record.values:
        return "NOT_FOUND"
    return "NULL_VALUE" if stands == "PRESENT" and record.values[feature] is None else stands


def standing(record: Record | None, ttl: float, now: datetime) -> Status:
    """What a record is at a moment: NOT_FOUND, OUTSIDE_MAX_AGE or PRESENT."""
    if record is None or record.event > now or record.known > now:
        return "NOT_FOUND"
    return "OUTSIDE_MAX_AGE" if ttl and now - record.event > timedelta(seconds=ttl) else "PRESENT"

"""What the online store keeps: bytes by the key of an entity, which newer ones replace."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec
import polars as pl

from penstock.features.latest import EVENT, KNOWN

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
    event, known = (_EPOCH + timedelta(microseconds=time - _SHIFT) for time in _times.unpack_from(data))
    return Record(event, known, _decode(memoryview(data)[STAMP:]))


def status_of(record: Record | None, feature: str, ttl: float, now: datetime) -> Status:
    """What a feature is at a moment, by the rules of the join; `ttl` is in seconds, 0 for no limit."""
    if record is None or record.event > now or record.known > now or feature not in record.values:
        return "NOT_FOUND"
    if ttl and now - record.event > timedelta(seconds=ttl):
        return "OUTSIDE_MAX_AGE"
    return "PRESENT" if record.values[feature] is not None else "NULL_VALUE"


def rows_to_keep(entity: Sequence[str], table: pl.DataFrame) -> list[tuple[bytes, bytes]]:
    """The keys and records of rows as `latest` gives them."""
    features = [name for name in table.columns if name not in {*entity, EVENT, KNOWN}]
    events, knowns = (table[name].dt.epoch("us").to_list() for name in (EVENT, KNOWN))
    entities, values = table.select(entity).iter_rows(), table.select(features).iter_rows()
    return [
        (entity_key(entity, who), encode_record(event, known, dict(zip(features, what, strict=True))))
        for who, event, known, what in zip(entities, events, knowns, values, strict=True)
    ]

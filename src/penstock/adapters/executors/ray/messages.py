"""What is said between this machine and a node of the cluster, as msgpack."""

from __future__ import annotations

import msgspec

from penstock.adapters.executors.protocol import Done
from penstock.runs.types import Task


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A task for a node. `code` is the digest of the packed project and `penstock` that of our own wheel.

    `blobs` is the folder that all machines share and `mark` a blob that is in it.
    """

    task: Task
    code: str
    blobs: str
    mark: str
    penstock: str


class Said(msgspec.Struct, frozen=True, tag="said"):
    """Whole lines that were appended to the log of the task."""

    lines: bytes


Told = Said | Done
encode = msgspec.msgpack.encode
decode_order = msgspec.msgpack.Decoder(Order).decode
decode_told = msgspec.msgpack.Decoder(Told).decode

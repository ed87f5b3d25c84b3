"""How far readers have come in logs, and in days."""

from __future__ import annotations

from penstock.lineage.ports import Reader, Transaction
from penstock.lineage.types import Cursor


def position_of(reader: Reader, cursor: str) -> int:
    """Where a cursor stands, 0 before it was moved."""
    found = reader.find(Cursor, id=cursor)
    return found[0].position if found else 0


def move(tx: Transaction, cursor: str, position: int) -> None:
    """Have a cursor stand there."""
    (tx.put if tx.count(Cursor, id=cursor) else tx.add)(Cursor(id=cursor, position=position))

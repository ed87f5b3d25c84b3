"""Keeps secrets sealed, and opens them for the part of the system that needs them."""

from __future__ import annotations

from penstock.core.clock import Clock, SystemClock
from penstock.lineage.ports import Reader, Seal, Transaction
from penstock.lineage.types import Secret

_MACHINE = SystemClock()


class Secrets:
    """Secrets by name. Whoever has the store without the seal's key has none of them."""

    def __init__(self, seal: Seal, *, machine: Clock = _MACHINE) -> None:
        self._seal = seal
        self._machine = machine

    def keep(self, tx: Transaction, name: str, text: str) -> None:
        """Keep a secret under a name, in place of an earlier one."""
        secret = Secret(id=name, sealed=self._seal.close(name, text), changed=self._machine.now())
        if tx.find(Secret, id=name):
            tx.put(secret)
        else:
            tx.add(secret)

    def read(self, reader: Reader, name: str) -> str:
        """The secret of a name, empty when there is none. Raises Corrupt."""
        return next((self._seal.open(name, kept.sealed) for kept in reader.find(Secret, id=name)), "")

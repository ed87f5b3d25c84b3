"""Why a trigger fired and why it did not, kept for every look and for ever, in few rows."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime

from msgspec.structs import replace

from penstock.lineage.ports import Transaction
from penstock.triggers.types import Explanation

_NUMBERS = re.compile(r"\d[\d.,:-]*")


class History:
    """Writes a row where an explanation becomes another one; where only its numbers do, the row has the new.

    Looks that change nothing are counted here and written with the next change: a process that dies takes
    its count of these along, and nothing else.
    """

    def __init__(self) -> None:
        self._looks: Counter[str] = Counter()

    def looked(self, trigger: str) -> None:
        """A trigger was looked at."""
        self._looks[trigger] += 1

    def tell(
        self, tx: Transaction, trigger: str, explanation: str, now: datetime, *, firing: str = ""
    ) -> None:
        """Write down what was found now."""
        before = self._looks.pop(trigger, 1) - 1
        newest = tx.find(Explanation, trigger=trigger, order="-since", limit=1)
        last = newest[0] if newest else None
        same = last and not firing and not last.firing and _gist(last.explanation) == _gist(explanation)
        if last and same:
            looks = last.looks + before + 1
            tx.put(replace(last, until=now, looks=looks, explanation=explanation))
            return
        if last and before:
            tx.put(replace(last, until=now, looks=last.looks + before))
        tx.add(
            Explanation(
                id=tx.mint(Explanation),
                trigger=trigger,
                since=now,
                until=now,
                looks=1,
                explanation=explanation,
                firing=firing,
            )
        )


def _gist(explanation: str) -> str:
    return _NUMBERS.sub("#", explanation)

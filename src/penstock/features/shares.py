"""Shares: which part of a training set a node of a graph makes, and what it is called."""

from __future__ import annotations

from typing import NamedTuple

from penstock.core.errors import InvalidValue
from penstock.features.types import ViewSettings

PART, PARTS = "part", "partitions"
"""The settings of a node that say which part it makes, from 0, and how many there are."""
SPINE = "rows.spine"
"""The input of a node that says which rows all shares are made of."""
MOST = 1000
"""Partitions of a training set: each is a step of a run."""


class Share(NamedTuple):
    """Part `number` (from 0) of `of`."""

    number: int
    of: int

    def bounds(self, height: int) -> tuple[int, int]:
        """The first of so many rows that is in it, and the one after its last."""
        return self.number * height // self.of, (self.number + 1) * height // self.of


def part_name(name: str, share: Share) -> str:
    """What the node that makes a share is called: `rows.3of8`, counted from 1."""
    return f"{name}.{share.number + 1}of{share.of}"


def number_in(name: str) -> int:
    """The number of the share that a node makes, by its name."""
    number = name.rpartition(".")[2].partition("of")[0]
    return int(number) if number.isdecimal() else 0


def parted(view: ViewSettings, wanted: int) -> int:
    """In how many parts a view is laid out: one where a correction may move an event to another entity."""
    whole = view.aggregates and not set(view.source.key) <= set(view.entity)
    return 1 if whole else wanted


def require_parts(wanted: object) -> None:
    """Raises InvalidValue for what is no number of partitions."""
    if not isinstance(wanted, int) or isinstance(wanted, bool) or not 1 <= wanted <= MOST:
        raise InvalidValue(
            what="`partitions` of `training_rows` has an impossible value",
            expected=f"a whole number from 1 to {MOST}, written in the pipeline",
            found=repr(wanted),
        )

"""What clients ask, as structs."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from penstock.core.errors import InvalidValue


class Pair(msgspec.Struct, frozen=True):
    """A text under a key; `name` is the key in some answers of old."""

    key: str
    value: str = ""


class OfExperiment(msgspec.Struct, frozen=True):
    """An experiment, by its number."""

    experiment_id: str


class OfRun(msgspec.Struct, frozen=True):
    """A run."""

    run_id: str


class MetricPoint(msgspec.Struct, frozen=True):
    """A metric's value, perhaps of a logged model on some data."""

    key: str
    value: float
    timestamp: int = 0
    step: int = 0
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class Page(msgspec.Struct, frozen=True):
    """A part of a long answer, which begins where `page_token` says."""

    max_results: int = 0
    page_token: str = ""

    def span(self, usual: int, most: int) -> tuple[int, int]:
        """How many to leave out, and how many to give. Raises InvalidValue."""
        if not 0 <= self.max_results <= most:
            raise InvalidValue(expected=f"max_results from 1 to {most}", found=str(self.max_results))
        token = self.page_token or "0"
        if not token.isdecimal() or len(token) > 18:
            raise InvalidValue(expected="the next_page_token of an earlier answer", found=repr(token[:40]))
        return int(token), self.max_results or usual


def by_key(pairs: Iterable[Pair]) -> dict[str, str]:
    """Texts by key; of several for one, the last."""
    return {pair.key: pair.value for pair in pairs}


def following(skip: int, limit: int, found: int) -> dict[str, str]:
    """The token of the next part, given that one more than the limit was looked for."""
    return {"next_page_token": str(skip + limit)} if found > limit else {}

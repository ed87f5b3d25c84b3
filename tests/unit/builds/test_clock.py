"""The code of a project can be given another date; libraries and everybody else keep theirs."""

from __future__ import annotations

import datetime as dt
import time
from datetime import UTC, date, datetime
from time import time as seconds

from penstock.builds.automatic.clock import LATER, later

OURS = __name__.split(".", maxsplit=1)[0]


def now() -> list[float]:
    """What each way of asking for the time says, in days."""
    return [
        seconds() / 86_400,
        time.time() / 86_400,
        datetime.now(UTC).timestamp() / 86_400,
        dt.datetime.now(UTC).timestamp() / 86_400,
        float(date.today().toordinal()),  # noqa: DTZ011 - it is one of the ways
        float(dt.date.today().toordinal()),  # noqa: DTZ011 - it is one of the ways
    ]


def test_every_way_of_asking_says_the_later_date_within_and_the_true_one_after() -> None:
    true = now()
    with later({OURS}):
        found = now()
        assert isinstance(dt.datetime.now(UTC), datetime)
    assert all(
        LATER.days - 1 <= there - here <= LATER.days + 2 for there, here in zip(found, true, strict=True)
    )
    assert all(abs(there - here) <= 1 for there, here in zip(now(), true, strict=True))


def test_others_keep_their_clock() -> None:
    with later({"flights"}):
        assert abs(now()[0] - time.time() / 86_400) < 1
    assert datetime is dt.datetime


def test_hash_gives_other_numbers_of_texts_within_as_in_another_process() -> None:
    values = (7, (1, 2.5), "shop", ("shop", 1), None)
    before = [hash(value) for value in values]
    with later({OURS}):
        found = [hash(value) for value in values]
    assert [one == other for one, other in zip(before, found, strict=True)] == [
        True,
        True,
        False,
        False,
        True,
    ]
    assert [hash(value) for value in values] == before

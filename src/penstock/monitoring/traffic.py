"""How versions were asked by the day, how long that took and what was refused, added up from counters."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import accumulate

from msgspec.structs import replace

from penstock.core.clock import midnight
from penstock.core.errors import Unavailable
from penstock.lineage.ports import Reader, Store, Transaction
from penstock.models.types import Placement
from penstock.monitoring.types import Asked, Heard, Traffic
from penstock.serving.ports import PredictionService
from penstock.serving.types import TIMES, Counters, Served

Place = tuple[str, int, str, str]
"""Model, version, variant and environment."""
EVERY = 10.0
"""Seconds of the machine between two looks: what a killed process had counted since the last is not known."""
_ONE = "service"


class Watch:
    """Adds to each day what the prediction service has counted since it was last asked.

    Counters begin anew with each process. So they are kept by its name, in the transaction that adds what is
    more of them, and nothing is added twice.
    """

    def __init__(
        self, store: Store, service: PredictionService, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        """`elapsed` are seconds of the machine."""
        self._store = store
        self._service = service
        self._elapsed = elapsed
        self._due = float("-inf")
        self._looking = threading.Lock()

    def tick(self, now: datetime) -> bool:
        """Look, unless it was done lately. Nothing follows of it, so that nothing has changed."""
        if self._elapsed() >= self._due:
            self.look(now)
        return False

    def look(self, now: datetime) -> None:
        """Add what was counted up to now to the day of `now`; a service that is away is asked again later.

        One at a time: what was told earlier must not be taken for what is newer.
        """
        with self._looking:
            self._look(now)

    def asked(self, model: str, version: int) -> Asked | None:
        """How a version was asked, wherever and as whatever it was; None where it never was."""
        with self._store.read() as reader:
            days = reader.find(Traffic, model=model, version=version)
        return asked(days) if days else None

    def _look(self, now: datetime) -> None:
        self._due = self._elapsed() + EVERY
        try:
            told = tuple(self._service.counters())
        except Unavailable:
            return
        with self._store.read() as reader:
            if told == _heard(reader):
                return
        with self._store.begin() as tx:
            before = {each.process: each for each in _heard(tx)}
            for each in told:
                self._add(tx, increase(before.get(each.process), each), midnight(now))
            (tx.put if tx.count(Heard, id=_ONE) else tx.add)(Heard(id=_ONE, counters=told))

    def _add(self, tx: Transaction, more: Counters, day: datetime) -> None:
        for each in more.served:
            traffic = _day(tx, _place(each), day)
            times = tuple(one + other for one, other in zip(traffic.times, each.times, strict=True))
            tx.put(replace(traffic, rows=traffic.rows + each.rows, times=times))
        for model, status, count in more.refused:
            for role in tx.find(Placement, model=model, role="champion", order="environment", limit=1):
                traffic = _day(tx, (model, role.number, "champion", role.environment), day)
                refused = Counter(traffic.refused) + Counter({str(status): count})
                tx.put(replace(traffic, refused=dict(refused)))


def increase(before: Counters | None, after: Counters) -> Counters:
    """What a process has counted since, without what stood still."""
    if before is None:
        return after
    old = {_place(each): each for each in before.served}
    refused = {(model, status): count for model, status, count in before.refused}
    grown = (_less(each, old.get(_place(each))) for each in after.served)
    return Counters(
        process=after.process,
        served=tuple(each for each in grown if any(each.times)),
        refused=tuple(
            (model, status, count - refused.get((model, status), 0))
            for model, status, count in after.refused
            if count > refused.get((model, status), 0)
        ),
    )


def asked(days: Iterable[Traffic]) -> Asked:
    """Several days, or one, as people read them."""
    every = list(days)
    refused: Counter[str] = Counter()
    for day in every:
        refused.update(day.refused)
    times = [sum(counts) for counts in zip(*(day.times for day in every), strict=True)]
    p50, p95, p99 = (1000 * _quantile(times, share) for share in (0.5, 0.95, 0.99))
    return Asked(
        requests=sum(times),
        rows=sum(day.rows for day in every),
        refused=dict(refused),
        p50=p50,
        p95=p95,
        p99=p99,
    )


def _quantile(times: Sequence[int], share: float) -> float:
    """The quantile of counts by bucket, in seconds, linear within one as Prometheus has it; what took longer
    than the last bound is told as that bound. 0 of nothing.
    """
    if not any(times):
        return 0.0
    wanted = share * sum(times)
    low, under = 0.0, 0
    for bound, count in zip((*TIMES, TIMES[-1]), accumulate(times), strict=True):
        if count >= wanted and count > under:
            return low + (bound - low) * (wanted - under) / (count - under)
        low, under = bound, count
    return low


def _heard(reader: Reader) -> tuple[Counters, ...]:
    found = reader.find(Heard, id=_ONE)
    return found[0].counters if found else ()


def _day(tx: Transaction, place: Place, day: datetime) -> Traffic:
    model, version, variant, environment = place
    key = f"{environment}:{model}@{version}:{variant}:{day:%Y-%m-%d}"
    if found := tx.find(Traffic, id=key):
        return found[0]
    new = Traffic(
        id=key,
        environment=environment,
        model=model,
        version=version,
        variant=variant,
        start=day,
        rows=0,
        times=(0,) * (len(TIMES) + 1),
    )
    tx.add(new)
    return new


def _place(each: Served) -> Place:
    return each.model, each.version, each.variant, each.environment


def _less(after: Served, before: Served | None) -> Served:
    if before is None:
        return after
    times = tuple(new - old for new, old in zip(after.times, before.times, strict=True))
    return replace(after, rows=after.rows - before.rows, times=times)

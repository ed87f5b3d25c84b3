"""What the control plane asks of a prediction service: done by all its processes, as if it were one.

A plan is followed in two steps: every process loads what is new, and only when all of them are ready do they
flip. Between the flips of two processes lie some milliseconds in which each answers wholly by its version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from secrets import token_hex
from typing import Any

import msgspec

from penstock.adapters.predictor.contests import Contests, merged_contests
from penstock.adapters.predictor.endless import Endless
from penstock.adapters.predictor.kept import read_plan
from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.metrics import Counted, Metrics, counters_of, metrics_text
from penstock.adapters.predictor.native import resident
from penstock.adapters.predictor.peers import Peers
from penstock.adapters.predictor.table import Prepared, Table, require_sense
from penstock.adapters.predictor.tallies import Watched
from penstock.core.errors import InvalidValue, NotFound, Unavailable
from penstock.serving.types import Contest, Counters, Loaded, Plan

ROUNDS = 3
"""How often processes are led to the same plan before that is given up."""
_encode = msgspec.json.Encoder().encode


class Duties:
    """Does what a process is asked for by its kind, and has all of them do it."""

    def __init__(
        self,
        table: Table,
        log: LogWriter,
        contests: Contests,
        metrics: Metrics,
        *,
        endless: Endless,
        key: str,
        others: Sequence[int] = (),
    ) -> None:
        """`others` are the ports of the other processes of the service."""
        self._name = token_hex(8)
        self._table = table
        self._timed = endless.timed
        self._peers = Peers(key, others)
        self._duties: dict[str, Callable[[bytes], object]] = {
            "prepare": lambda body: self._prepare(self.read(body)),
            "flip": lambda body: table.flip(self.read(body)),
            "counted": lambda _: metrics.counted(),
            "counters": lambda _: counters_of(self._name, metrics.counted()),
            "watched": lambda _: contests.watched(table.state),
            "flush": lambda _: log.flush(),
            "resident": lambda _: resident(),
        }

        self.asked: dict[str, Callable[[], object]] = {
            "resident": self.resident,
            "observed": self.observed,
            "counters": self.counters,
        }
        """What the control plane may ask for, by name."""

    def own(self, duty: str, body: bytes) -> bytes:
        """Do a duty in this process alone. Raises NotFound for one that there is not, and what it raises."""
        if duty not in self._duties:
            raise NotFound(what=f"There is no duty {duty!r}", expected=", ".join(self._duties), found=duty)
        return _encode(self._duties[duty](body))

    def read(self, body: bytes) -> Plan:
        """A plan as the control plane sends it. Raises InvalidValue."""
        try:
            return read_plan(body, self._table.state.models)
        except msgspec.DecodeError as error:
            raise InvalidValue(what="This is not a serving plan", found=str(error)) from None

    def follow(self, plan: Plan) -> list[Loaded]:
        """Have all processes load what is new, keep the plan, have all of them flip; gives what is loaded.

        Raises InvalidValue for a plan that contradicts itself, StorageFailed when it cannot be kept, and
        Unavailable when a process cannot be led to it.
        """
        require_sense(plan)
        for _ in range(ROUNDS):
            prepared = self._prepared(plan)
            followed = prepared[0].plan
            if any(each.plan != followed for each in prepared):
                plan = max((each.plan for each in prepared), key=lambda other: _other_champions(plan, other))
                continue  # a champion that one cannot load is nobody's
            self._table.keep(followed)
            flip = partial(self._table.flip, followed)
            if all(self._peers.every("flip", flip, msgspec.json.decode, followed)):
                return _loaded(prepared)
        raise Unavailable(what="The processes of the prediction service do not come to the same plan")

    def flush(self) -> None:
        """Make what all have answered durable. Raises StorageFailed or Unavailable."""
        self._every("flush", None)

    def observed(self) -> list[Contest]:
        """What all have seen of the contests."""
        return merged_contests(self._every("watched", list[Watched]))

    def counters(self) -> list[Counters]:
        """What each has counted since it was started."""
        return self._every("counters", Counters)

    def metrics(self) -> bytes:
        """What all have counted, in Prometheus' text format."""
        return metrics_text(self._every("counted", Counted))

    def resident(self) -> int:
        """The bytes that all hold."""
        return sum(self._every("resident", int))

    def _every(self, duty: str, kind: Any) -> list[Any]:
        """What every process gives, of this kind."""
        read = msgspec.json.Decoder(kind).decode
        return self._peers.every(duty, lambda: read(self.own(duty, b"")), read)

    def _prepared(self, plan: Plan) -> list[Prepared]:
        """What every process has prepared of a plan."""

        def read(text: bytes) -> Prepared:
            told = msgspec.json.decode(text, type=_Told)
            return Prepared(read_plan(told.plan, {model.name: model for model in plan.models}), told.loaded)

        return self._peers.every("prepare", partial(self._prepare, plan), read, plan, warily=True)

    def _prepare(self, plan: Plan) -> Prepared:
        self._table.catch_up()  # for as long as it takes, which is no sign that the plan hangs
        return self._timed(self._table.prepare, plan)


class _Told(msgspec.Struct, frozen=True):
    """What a process has prepared, its plan not read yet."""

    plan: msgspec.Raw
    loaded: list[Loaded]


def _other_champions(wanted: Plan, followed: Plan) -> int:
    champions = {model.name: model.champion for model in reversed(wanted.models)}
    return sum(champions.get(model.name) != model.champion for model in followed.models)


def _loaded(prepared: Sequence[Prepared]) -> list[Loaded]:
    """What is loaded everywhere; where a version is not, why."""
    return [
        msgspec.structs.replace(
            first,
            ready=all(each.ready for each in (first, *others)),
            error=next((each.error for each in (first, *others) if each.error), ""),
        )
        for first, *others in zip(*(each.loaded for each in prepared), strict=True)
    ]

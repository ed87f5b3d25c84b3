"""Actions are done: at least once, in turn for each target, and no target waits for another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from functools import partial

from msgspec.structs import replace

from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import Busy, Conflict, InvalidValue, PenstockError
from penstock.lineage.ports import Reader, Store
from penstock.triggers.types import Action, What

Perform = Callable[[Action], str | None]
"""Does an action and tells what came of it; None for one that goes on and is asked for again.

Raises InvalidValue or Conflict for what will never be done, and any other error for what may be later.
"""
Target = tuple[str, str, str]
Submit = Callable[[Callable[[], None]], "Future[None] | None"]

ENOUGH = 30
"""Times that an action is tried before it is given up: more than a day."""
FIRST, LONGEST = timedelta(seconds=5), timedelta(hours=1)
"""Rests after the first failure and after many."""
GOES_ON = timedelta(seconds=2)
"""How long one that goes on is left alone."""
AT_ONCE = 20
"""Actions of a target that are done one after another before it is its turn again."""
_MACHINE = SystemClock()


def here(work: Callable[[], None]) -> None:
    """Do the work here and now."""
    work()


class Outbox:
    """Does what waits. The oldest of a target comes first: where it rests, so do those behind it."""

    def __init__(
        self,
        store: Store,
        perform: Mapping[What, Perform],
        *,
        submit: Submit = here,
        machine: Clock = _MACHINE,
    ) -> None:
        """`submit` has work done, here or beside; `machine` is the clock of rests."""
        self._store = store
        self._perform = perform
        self._submit = submit
        self._machine = machine
        self._in_hand: set[Target] = set()

    def tick(self, _now: datetime) -> bool:
        """Take what is due into hand. False: whoever waits for actions asks for their status."""
        in_hand = set(self._in_hand)  # before the store is read: what is done meanwhile still waits there
        with self._store.read() as reader:
            targets = {*reader.pick(Action, ("project", "what", "target"), status="waiting")} - in_hand
            due = [(target, self._due(reader, target)) for target in sorted(targets)]
        for target, actions in due:
            if actions:
                self._in_hand.add(target)
                self._submit(partial(self._work, target, actions))
        return False

    def _due(self, reader: Reader, target: Target) -> list[Action]:
        """The oldest that wait for a target, none while the first of them rests."""
        project, what, name = target
        waiting = reader.find(
            Action, status="waiting", project=project, what=what, target=name, limit=AT_ONCE
        )
        first = waiting[0].not_before
        return [] if first and self._machine.now() < first else waiting

    def _work(self, target: Target, actions: Sequence[Action]) -> None:
        try:
            for action in actions:
                if not self._attempt(action):
                    return
        finally:
            self._in_hand.discard(target)

    def _attempt(self, action: Action) -> bool:
        """Try once; whether the next one of the target may be tried."""
        try:
            result = self._perform[action.what](action)
        except (InvalidValue, Conflict) as error:
            tried = replace(action, status="given_up", attempts=action.attempts + 1, problem=str(error))
        except Exception as error:  # noqa: BLE001 whatever it is counts: others wait behind it
            tried = self._later(action, error)
        else:
            if result is None:
                tried = replace(action, not_before=self._machine.now() + GOES_ON, problem="")
            else:
                attempts = action.attempts + 1
                tried = replace(action, status="done", attempts=attempts, problem="", result=result)
        with self._store.begin() as tx:
            tx.put(tried)
        return tried.status != "waiting"

    def _later(self, action: Action, error: Exception) -> Action:
        attempts = action.attempts + 1
        asked = timedelta(seconds=error.seconds if isinstance(error, Busy) else 0.0)
        rest = max(min(FIRST * 2 ** min(attempts - 1, 20), LONGEST), asked)
        return replace(
            action,
            status="given_up" if attempts >= ENOUGH else "waiting",
            attempts=attempts,
            not_before=self._machine.now() + rest,
            problem=_told(error),
        )


def _told(error: Exception) -> str:
    """What may be told of an error: of one that nobody foresaw its name only, for it may hold a secret."""
    if isinstance(error, PenstockError):
        return str(error)
    return f"It failed in a way that nobody foresaw ({type(error).__name__})."

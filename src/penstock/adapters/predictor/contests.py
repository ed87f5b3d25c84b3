"""Requests to models with a challenger: a challenger answers its share, shadows are asked beside.

Nothing that a challenger or a shadow does reaches a client as an error: the champion answers in its place.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, sleep
from typing import NamedTuple
from urllib.parse import parse_qs
from uuid import uuid4

from msgspec.structs import replace

from penstock.adapters.predictor.endless import Endless
from penstock.adapters.predictor.faces import Face
from penstock.adapters.predictor.http import Request
from penstock.adapters.predictor.table import Live, State
from penstock.adapters.predictor.tallies import Tallying, Watched, merged
from penstock.core.errors import PenstockError
from penstock.serving.answers import SHADOW, ask, record_of, sampled
from penstock.serving.assignment import challenger_for
from penstock.serving.columns import Question
from penstock.serving.types import Answer, Challenger, Contest, LogRecord, ServedModel

HEADER, PARAMETER = b"x-assignment-key", "assignment_key"
PATIENCE = 2.0
"""Seconds that a challenger is given before the champion answers for it."""
THREADS = 4
INLINE_ROWS = 256
"""Requests of more rows are computed in a thread, so that small ones need not wait for them."""
MOST_WAITING = 64
"""Requests that wait for a shadow before further ones are left out."""
REST = 3
"""How long a shadow rests after each request, in times of what that took: others want the processor too."""


class Asked(NamedTuple):
    """A request to a model on contest: what it is, and how a version with other inputs reads it."""

    model: ServedModel
    state: State
    face: Face
    request: Request


class Given(NamedTuple):
    """Who answered what, to which question."""

    live: Live
    question: Question
    answer: Answer


class Contests:
    """Asks challengers and shadows in threads of their own, but for challengers that have shown that they are
    quick, and counts what they do.
    """

    def __init__(
        self, log: Callable[[LogRecord], None], endless: Endless, died: Collection[str] = ()
    ) -> None:
        """`log` takes the answers of shadows; `died` are the contests in which the last process died."""
        self._log = log
        self._timed = endless.timed
        self._died = frozenset(died)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="challenger")
        self._shadows = ThreadPoolExecutor(1, thread_name_prefix="shadow")
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)
        self._tallies: dict[tuple[str, int, str], Tallying] = {}

    def watched(self, state: State) -> list[Watched]:
        """What every contest of the plan has seen here; what was counted of others is forgotten."""
        found, kept = [], set()
        for model in state.models.values():
            for each in model.challengers:
                ours, theirs = self._champions(model, each), self._own(each)
                kept |= {id(ours), id(theirs)}
                died = each.contest in self._died
                found.append(Watched(each.contest, each.share, ours.counted(), theirs.counted(), died))
        self._tallies = {place: tally for place, tally in self._tallies.items() if id(tally) in kept}
        return found

    async def answer(self, asked: Asked, champion: Live, question: Question) -> Given:
        """The answer to a question that the champion may be asked. Raises what asking the champion raises."""
        name = question.id or uuid4().hex
        key = key_of(asked.request, question, asked.model.key) or name
        question = replace(question, id=name)
        rival = challenger_for(asked.model, key)
        if rival is None:
            began = perf_counter()
            given = await self._by(champion, question, "champion")
            took = perf_counter() - began
            for each in asked.model.challengers:
                self._champions(asked.model, each).answered(given.answer, took, classes=_many(champion))
            return given
        began = perf_counter()
        try:
            given = await self._challenged(asked, rival, champion, question)
        except Exception as error:  # noqa: BLE001 - whatever a challenger does, the client is answered
            took, why = perf_counter() - began, _said(error)
            given = await self._by(champion, question, "fallback")
            self._own(rival).failed(why, took)  # not where the champion cannot answer that either
            return given
        self._own(rival).answered(given.answer, perf_counter() - began, classes=_many(given.live))
        return given

    def shadow(self, asked: Asked, given: Given, *, logged: bool) -> None:
        """Have the shadows of a model asked what was asked, as soon as there is time."""
        for each in asked.model.challengers:
            if each.variant != "shadow":
                continue
            if self._waiting.acquire(blocking=False):
                self._shadows.submit(self._timed, self._shadowed, asked, each, given, logged=logged)
            else:
                self._own(each).dropped()

    def close(self) -> None:
        """End the threads; what still waits for a shadow is not asked."""
        for threads in (self._threads, self._shadows):
            threads.shutdown(wait=False, cancel_futures=True)

    async def _by(self, champion: Live, question: Question, variant: str) -> Given:
        if question.rows > INLINE_ROWS or champion.apart:
            return await asyncio.to_thread(self._timed, _ask, champion, question, variant)
        return _ask(champion, question, variant)

    async def _challenged(self, asked: Asked, rival: Challenger, champion: Live, question: Question) -> Given:
        live = _loaded(asked, rival)
        if live.served.origins == champion.served.origins:
            theirs = _theirs(asked, live, champion, question)
        else:  # what stands online may have to be read
            theirs = await asyncio.to_thread(_theirs, asked, live, champion, question)
        if question.rows <= INLINE_ROWS and self._own(rival).quick and not live.apart:
            return _ask(live, theirs, rival.variant)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE):
            return await loop.run_in_executor(self._threads, self._timed, _ask, live, theirs, rival.variant)

    def _shadowed(self, asked: Asked, rival: Challenger, given: Given, *, logged: bool) -> None:
        """Ask a shadow; what it answers goes to the log and nowhere else."""
        began = perf_counter()
        try:
            live = _loaded(asked, rival)
            theirs = _theirs(asked, live, given.live, given.question)
            answer = _ask(live, theirs, rival.variant).answer
            self._own(rival).answered(answer, perf_counter() - began, classes=_many(live))
            if logged and sampled(given.answer.ids[0], live.log_share):
                named = replace(answer, ids=tuple(name + SHADOW for name in given.answer.ids))
                now = asked.state.now()
                self._log(record_of(named, theirs, live.environment, now, live.redact))
        except Exception as error:  # noqa: BLE001 - it counts, and harms nobody
            self._own(rival).failed(_said(error), perf_counter() - began)
        finally:
            self._waiting.release()
        sleep(REST * (perf_counter() - began))

    def _own(self, rival: Challenger) -> Tallying:
        """The tally of a challenger, which begins anew with every share."""
        place = (rival.contest, rival.share, rival.variant)
        return self._tallies.get(place) or self._tallies.setdefault(place, Tallying(rival.number))

    def _champions(self, model: ServedModel, rival: Challenger) -> Tallying:
        """The tally of the champion beside a challenger, which goes on through all shares."""
        place = (rival.contest, -1, "champion")
        return self._tallies.get(place) or self._tallies.setdefault(place, Tallying(model.champion))


def merged_contests(every: Sequence[Sequence[Watched]]) -> list[Contest]:
    """What all processes have seen of the contests that the first of them sees."""
    return [
        Contest(
            id=first.id,
            share=first.share,
            champion=merged([each.champion for each in seen]).tally(),
            challenger=merged([each.challenger for each in seen]).tally(),
            died=any(each.died for each in seen),
        )
        for first in every[0]
        if (seen := [e for told in every for e in told if (e.id, e.share) == (first.id, first.share)])
    ]


def key_of(request: Request, question: Question, column: str) -> str:
    """The key that a request brings as a header, as a parameter of its address, or in a column of its first
    row; empty without one.
    """
    if told := request.header(HEADER):
        return told.decode("latin-1")
    if request.query:
        named = parse_qs(request.query.decode("latin-1")).get(PARAMETER, [""])
        if named[0]:
            return str(named[0])
    values = question.columns.get(column)
    return str(values[0]) if values and values[0] is not None else ""


def _loaded(asked: Asked, rival: Challenger) -> Live:
    """A challenger. Raises PenstockError where it is not loaded."""
    live = asked.state.live.get((asked.model.name, rival.number))
    if live is None:
        raise PenstockError(what=f"Version {rival.number} is not loaded")
    return live


def _theirs(asked: Asked, live: Live, ours: Live, question: Question) -> Question:
    """A question to one version as another reads it; what was read online for both alike is not read again.

    Raises PenstockError.
    """
    same = tuple(question.columns) == tuple(column.name for column in live.served.signature.inputs)
    if same and (not question.lookups or live.served.origins == ours.served.origins):
        return question
    return replace(asked.state.filled(asked.face.read(asked.request, live.served)), id=question.id)


def _ask(live: Live, question: Question, variant: str) -> Given:
    answer = ask(
        live.runtime,
        question.columns,
        first_id=question.id,
        model=live.model,
        version=live.served.number,
        variant=variant,
    )
    return Given(live, question, answer)


def _many(live: Live) -> bool:
    return live.served.signature.task == "multiclass"


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"it did not answer within {PATIENCE:g} s"
    return str(error) or type(error).__name__

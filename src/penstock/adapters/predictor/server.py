"""The prediction service over HTTP: the Open Inference Protocol v2 and others, each answer remembered."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Sequence
from functools import partial
from operator import attrgetter
from random import Random
from time import perf_counter
from typing import Any

from msgspec.structs import replace

from penstock.adapters.predictor.about import About, nothing
from penstock.adapters.predictor.contests import INLINE_ROWS, Asked, Contests
from penstock.adapters.predictor.duties import Duties
from penstock.adapters.predictor.endless import Endless
from penstock.adapters.predictor.faces import Face, face_of
from penstock.adapters.predictor.http import Give, Reply, Request, json
from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.metrics import Metrics
from penstock.adapters.predictor.offered import PATH, Offered
from penstock.adapters.predictor.table import Live, Table
from penstock.adapters.predictor.tallies import PROVEN
from penstock.adapters.predictor.terms import unpacked
from penstock.adapters.predictor.turns import Turns, Waiting, predict, rows_of
from penstock.core.errors import Busy, NotAllowed, NotFound, PenstockError
from penstock.serving.answers import Scored, answer_of, record_of, sampled, taken_apart
from penstock.serving.attributions import attributions, without
from penstock.serving.columns import Question, Row, in_columns, whole
from penstock.serving.encode import encode_error
from penstock.serving.lookups import Keyed
from penstock.serving.types import Answer, ServedModel

MOST_UNDER_WAY = 256
"""Requests that wait for something other than their turn before further ones are told to come again."""
LONGEST = 60.0
"""Seconds that an answer may take."""
INLINE_BYTES = 256 * 1024
"""Of a body; longer ones are read in a thread."""
_ID_BYTES = 16
_LOG = b"x-penstock-log"
_SOON = ((b"retry-after", b"1"),)
_log = logging.getLogger("penstock.predictor")
_pen = attrgetter("pen")
_Coming = Coroutine[Any, Any, Reply]


class Server:
    """Answers requests from the table and remembers the answers in the log."""

    def __init__(
        self,
        table: Table,
        log: LogWriter,
        key: str,
        died: Collection[str] = (),
        others: Sequence[int] = (),
    ) -> None:
        """`died` are the contests in which the last process of this place was killed, `others` the ports of
        the service's other processes.
        """
        self._table = table
        self._log = log
        self._key = key.encode()
        self._endless = Endless()
        self._contests = Contests(log.append, self._endless, died)
        self._metrics = Metrics()
        self._duties = Duties(
            table, log, self._contests, self._metrics, endless=self._endless, key=key, others=others
        )
        self._directly = Counter[str]()
        self._turns = Turns(self._scored)
        self._under_way: set[asyncio.Task[None]] = set()
        self._ids = Random(os.urandom(32))  # noqa: S311 - they are to be different, not secret
        self._about = About(table, log)
        self._offered = Offered(table, key)

    def hangs(self) -> bool:
        """Whether something goes on in a thread that does not come to its end."""
        return self._endless.found()

    def close(self) -> None:
        """End what goes on beside requests."""
        self._contests.close()

    def answer(self, request: Request, give: Give) -> None:
        """See `Application.answer`; every refusal is one sentence, in the form that the client expects."""
        face = None
        if request.path == PATH:
            give = self._counted(give)
        try:
            face = face_of(request.method, request.path)
            if face is not None:
                coming = self._ask(face, request, give)
                if coming is None:
                    return
            else:
                told = self._route(request)
                if isinstance(told, Reply):
                    give(told)
                    return
                coming = told
        except Exception as error:  # noqa: BLE001 - the connection is owed an answer, the log the reason
            give(self._refusal(face, error))
            return
        if len(self._under_way) >= MOST_UNDER_WAY and not request.path.startswith("/-/"):
            coming.close()
            sentence = "The prediction service has too much to do; ask again in a second."
            give(replace(self._refused(face, 503, sentence), headers=_SOON))
            return
        task = asyncio.get_running_loop().create_task(self._finish(face, coming, give))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _counted(self, give: Give) -> Give:
        """Gives the answer to a request for features, which is in the metrics by then."""

        def told(reply: Reply) -> None:
            self._metrics.features(reply.status)
            give(reply)

        return told

    async def _finish(self, face: Face | None, coming: _Coming, give: Give) -> None:
        try:
            reply = await coming
        except Exception as error:  # noqa: BLE001 - the same
            reply = self._refusal(face, error)
        give(reply)

    # Predictions.

    def _ask(self, face: Face, request: Request, give: Give) -> _Coming | None:
        """Have the question answered in this turn of the loop, or give what is to be waited for."""
        began, state = perf_counter(), self._table.state
        if len(request.body) > INLINE_BYTES or b"content-encoding" in request.headers:
            return self._at_leisure(face, request)
        live, variant = None if face.number else state.alone.get(face.model), "champion"
        model, pen = None, None if live is None or _LOG in request.headers else state.pens.get(face.model)
        if live is None:
            name = face.model or self._only_model()
            live, variant = self._table.find(name, face.number)
            if live is None:
                return self._at_leisure(face, request)
            model = None if face.number else state.models.get(name)
        read = (face.read_known(request, live.served) if pen else None) or face.read(request, live.served)
        if isinstance(read, Keyed):
            if not state.at_hand(read):
                return self._keyed(read, face, request, model, live=live, variant=variant)
            read = state.filled(read)
        if live.outside:
            read = whole(read)
            live.outside.require(read.columns)
        waiting = Waiting(
            live, variant, face, read, request, give, began, perf_counter(), pen if read.written else None
        )
        if model and model.challengers:
            return self._contest(waiting, model)
        if not isinstance(read, Row) and self._aside(waiting):
            return self._in_thread(waiting)
        self._turns.ask(waiting)
        return None

    def _scored(self, group: Sequence[Waiting], scored: Scored | None) -> None:
        """Give the answers to questions that were asked of their model, or to one that is to be asked now."""
        try:
            scored = scored or predict(group)
            replies = self._written(group, scored) or list(map(self._alone, group, _parts(group, scored)))
        except Exception as error:  # noqa: BLE001 - the same
            replies = [self._refusal(waiting.face, error) for waiting in group]
        for waiting, reply in zip(group, replies, strict=True):
            waiting.give(reply)

    def _alone(self, waiting: Waiting, scored: Scored) -> Reply:
        try:
            return self._reply(waiting, scored)
        except Exception as error:  # noqa: BLE001 - the same
            return self._refusal(waiting.face, error)

    def _written(self, group: Sequence[Waiting], scored: Scored) -> list[Reply]:
        """The replies if one pen writes them all, which are in the log and in the metrics by then; else none.

        Raises StorageFailed.
        """
        pen, answered, now = group[0].pen, perf_counter(), self._table.state.now()
        if pen is None or set(map(_pen, group)) != {pen}:
            return []
        ids = self._ids.randbytes(_ID_BYTES * len(group)).hex()
        names = [
            waiting.question.id or ids[at : at + 2 * _ID_BYTES]
            for waiting, at in zip(group, range(0, len(ids), 2 * _ID_BYTES), strict=True)
        ]
        rows = rows_of(group)
        tables = [] if rows else [in_columns(waiting.question) for waiting in group]
        if rows:
            replies, lines = pen.write_rows(scored, rows, names, now)
        else:
            replies, lines = pen.write(scored, tables, names, now)
        if not replies:
            return []
        rows_of_all = sum(waiting.question.rows for waiting in group)
        if pen.logged:
            self._log.append_lines(lines)
        else:
            self._metrics.unlogged(pen.place[0], pen.place[3], rows_of_all)
        if outside := group[0].live.outside:
            for question in map(whole, tables):
                self._metrics.outside(*pen.place[:2], outside.count(question.columns))
        took = perf_counter() - answered
        stages = [(each.read - each.began, answered - each.read, took) for each in group]
        self._metrics.answered(pen.place, rows_of_all, stages)
        return [Reply(200, reply) for reply in replies]

    def _aside(self, waiting: Waiting) -> bool:
        """Whether the others are not to wait for an answer.

        It takes long, or is a version's that is asked by its number, may be a candidate before its gate, and
        has not yet answered so often that it will not hang.
        """
        live, number, question = waiting.live, waiting.face.number, waiting.question
        unproven = number and self._directly[live.served.artifact] < PROVEN
        explain = isinstance(question, Question) and question.explain
        return bool(question.rows > INLINE_ROWS or explain or live.apart or unproven)

    async def _in_thread(self, waiting: Waiting) -> Reply:
        live, question = waiting.live, whole(waiting.question)
        async with asyncio.timeout(LONGEST):
            scored = await asyncio.to_thread(self._endless.timed, live.runtime.predict, question.columns)
            waiting = replace(waiting, question=await self._explained(live, question))
        self._directly[live.served.artifact] += waiting.variant == "direct"
        if question.rows > INLINE_ROWS:
            return await asyncio.to_thread(self._reply, waiting, scored)
        return self._reply(waiting, scored)

    async def _at_leisure(self, face: Face, request: Request) -> Reply:
        """The answer to a request that is long or packed, or whose version is to be loaded first."""
        began = perf_counter()
        request = await asyncio.to_thread(unpacked, request)
        name = face.model or self._only_model()
        live, variant = self._table.find(name, face.number)
        if live is None:
            await asyncio.to_thread(self._table.catch_up)
            live = await asyncio.to_thread(self._endless.timed, self._table.load_now, name, face.number)
        question = await self._question(live, partial(face.read, request, live.served))
        waiting = Waiting(live, variant, face, question, request, _nobody, began, perf_counter())
        return await self._answered(waiting, None if face.number else self._table.state.models.get(name))

    async def _keyed(
        self,
        read: Keyed,
        face: Face,
        request: Request,
        model: ServedModel | None,
        *,
        live: Live,
        variant: str,
    ) -> Reply:
        began = perf_counter()
        question = await self._question(live, lambda: read)
        waiting = Waiting(live, variant, face, question, request, _nobody, began, perf_counter())
        return await self._answered(waiting, model)

    async def _question(self, live: Live, read: Callable[[], Question | Keyed]) -> Question:
        """What is asked, with what stands online, in a thread: nobody else waits for a disk or a network."""

        def whole() -> Question:
            question = self._table.state.filled(read())
            if live.outside:
                live.outside.require(question.columns)
            return question

        async with asyncio.timeout(LONGEST):
            return await asyncio.to_thread(whole)

    async def _answered(self, waiting: Waiting, model: ServedModel | None) -> Reply:
        if model and model.challengers:
            return await self._contest(waiting, model)
        if self._aside(waiting):
            return await self._in_thread(waiting)
        return self._reply(waiting, waiting.live.runtime.predict(whole(waiting.question).columns))

    async def _explained(self, live: Live, question: Question) -> Question:
        """The question with its answers explained, where it asks for that."""
        if not question.explain:
            return question
        background = await asyncio.to_thread(self._table.background, live)
        told = attributions(live.runtime, background, question.columns, live.served.signature)
        explained = [
            await asyncio.to_thread(self._endless.timed, next, told) for _ in range(question.rows)
        ]  # row by row, so that what nobody waits for any more comes to its end
        personal = live.served.personal
        return replace(question, explained=tuple(without(each, personal) for each in explained))

    async def _contest(self, waiting: Waiting, model: ServedModel) -> Reply:
        asked = Asked(model, self._table.state, waiting.face, waiting.request)
        async with asyncio.timeout(LONGEST):
            given = await self._contests.answer(asked, waiting.live, whole(waiting.question))
            given = given._replace(question=await self._explained(given.live, given.question))
        logged = self._logged(waiting.request)
        reply = self._remember(waiting, given.live, given.question, given.answer, logged=logged)
        self._contests.shadow(asked, given, logged=logged)
        return reply

    def _reply(self, waiting: Waiting, scored: Scored) -> Reply:
        live, question = waiting.live, whole(waiting.question)
        answer = answer_of(
            scored,
            first_id=question.id or f"{self._ids.getrandbits(128):032x}",
            model=live.model,
            version=live.served.number,
            variant=waiting.variant,
        )
        return self._remember(waiting, live, question, answer, logged=self._logged(waiting.request))

    def _remember(
        self, waiting: Waiting, live: Live, question: Question, answer: Answer, *, logged: bool
    ) -> Reply:
        """The reply with an answer, which is in the log and in the metrics by then."""
        answered = perf_counter()
        reply = waiting.face.write(answer, question, live.served.signature)
        if logged and sampled(answer.ids[0], live.log_share):
            now = self._table.state.now()
            self._log.append(record_of(answer, question, live.environment, now, live.redact))
        elif logged:
            self._metrics.unlogged(answer.model, live.environment, len(answer.ids))
        if live.outside:
            self._metrics.outside(answer.model, answer.version, live.outside.count(question.columns))
        stages = (waiting.read - waiting.began, answered - waiting.read, perf_counter() - answered)
        place = (answer.model, answer.version, answer.variant, live.environment)
        self._metrics.answered(place, len(answer.ids), [stages])
        return reply

    def _logged(self, request: Request) -> bool:
        """Whether the log is to keep the answer. Raises NotAllowed where a stranger says no."""
        if request.header(_LOG) != b"off":
            return True
        self._require_key(request)
        return False

    def _refusal(self, face: Face | None, error: Exception) -> Reply:
        if isinstance(error, Busy):
            return replace(self._refused(face, error.status, str(error)), headers=_SOON)
        if isinstance(error, PenstockError):
            return self._refused(face, error.status, str(error))
        if isinstance(error, TimeoutError):
            return self._refused(face, 503, f"The model did not answer within {LONGEST:g} seconds.")
        _log.error("a request failed", exc_info=error)
        return self._refused(face, 500, "The prediction service failed; its log says why.")

    # Everything else.

    def _route(self, request: Request) -> Reply | _Coming:
        if request.path == PATH and request.method == "POST":
            return self._offered.answer(request)
        match request.method, request.path.split("/")[1:]:
            case method, ["-", *rest]:
                self._require_key(request)
                return self._for_control(request, method, rest)
            case "GET", ["metrics"]:
                return self._told()
        return self._about.told(request)

    def _for_control(self, request: Request, method: str, rest: list[str]) -> Reply | _Coming:
        match method, rest:
            case "POST", ["plan"]:
                return self._done(lambda: self._duties.follow(self._duties.read(request.body)))
            case "POST", ["flush"]:
                return self._done(self._duties.flush)
            case "POST", ["own", duty]:
                return self._own(duty, request.body)
            case "GET", [name] if name in self._duties.asked:
                return self._done(self._duties.asked[name])
            case "GET", ["loaded"]:
                return self._done(self._table.loaded)
        raise nothing(request)

    async def _done(self, work: Callable[[], Any]) -> Reply:
        return json(await asyncio.to_thread(work))

    async def _own(self, duty: str, body: bytes) -> Reply:
        return Reply(200, await asyncio.to_thread(self._duties.own, duty, body))

    async def _told(self) -> Reply:
        return Reply(200, await asyncio.to_thread(self._duties.metrics), b"text/plain; version=1.0.0")

    def _refused(self, face: Face | None, status: int, sentence: str) -> Reply:
        if face is None:
            return Reply(status, encode_error(sentence))
        name = face.model if face.model in self._table.state.models else ""
        self._metrics.refused(name, "direct" if face.number else "champion", status)
        return face.refuse(status, sentence)

    def _only_model(self) -> str:
        """The model that is meant where a request names none. Raises NotFound."""
        models = list(self._table.state.models)
        if len(models) == 1:
            return models[0]
        raise NotFound(
            what="Which model is meant is not said",
            expected="one model",
            found=", ".join(models) or "none yet",
            fix="Name it: /invocations/MODEL.",
        )

    def _require_key(self, request: Request) -> None:
        if not hmac.compare_digest(request.header(b"x-penstock-key"), self._key):
            raise NotAllowed(
                what="This is for the control plane only", expected="its key", found="another or none"
            )


def _parts(group: Sequence[Waiting], scored: Scored) -> list[Scored]:
    """What a model said of each question's rows."""
    return taken_apart(scored, [waiting.question.rows for waiting in group])


def _nobody(_reply: Reply) -> None:
    """Whom an answer is given that is returned."""

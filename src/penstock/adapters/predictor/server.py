"""The prediction service over HTTP, as a bare ASGI application: the Open Inference Protocol v2 and others."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable, Collection
from functools import partial
from importlib.metadata import version as installed_version
from time import perf_counter
from typing import Any
from uuid import uuid4

import msgspec

from penstock.adapters.predictor.asgi import (
    Receive,
    Reply,
    Scope,
    Send,
    header,
    json,
    read_body,
    version_number,
)
from penstock.adapters.predictor.contests import INLINE_ROWS, Asked, Contests
from penstock.adapters.predictor.faces import Face, face_of
from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.metrics import Metrics
from penstock.adapters.predictor.probe import resident
from penstock.adapters.predictor.table import Live, Table
from penstock.core.errors import InvalidValue, NotAllowed, NotFound, PenstockError
from penstock.serving.answers import ask, record_of
from penstock.serving.assignment import assign, served_model, served_version
from penstock.serving.columns import Question
from penstock.serving.encode import encode_error, encode_metadata
from penstock.serving.types import Answer, Plan

_encode = msgspec.json.Encoder().encode
_log = logging.getLogger("penstock.predictor")
_PLATFORM = {"onnx": "onnx_onnxruntime"}


class Server:
    """Answers requests from the table and remembers the answers in the log."""

    def __init__(self, table: Table, log: LogWriter, key: str, died: Collection[str] = ()) -> None:
        """`died` are the contests in which the last process of the home was killed."""
        self._table = table
        self._log = log
        self._key = key.encode()
        self._contests = Contests(log.append, died)
        self._metrics = Metrics()
        self._version = installed_version("penstock")
        self._name = _encode(
            {"name": "penstock", "version": self._version, "extensions": ["binary_tensor_data"]}
        )

    def close(self) -> None:
        """End what goes on beside requests."""
        self._contests.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; every refusal is one sentence, in the form that the client expects."""
        face = None
        try:
            face = face_of(scope)
            reply = await (self._infer(face, scope, receive) if face else self._route(scope, receive))
        except PenstockError as error:
            reply = self._refused(face, error.status, str(error))
        except Exception:  # noqa: BLE001 - the connection is owed an answer, the log the reason
            _log.exception("a request failed")
            reply = self._refused(face, 500, "The prediction service failed; its log says why.")
        length = str(len(reply.body)).encode()
        headers = [(b"content-type", reply.media), (b"content-length", length), *reply.headers]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _route(self, scope: Scope, receive: Receive) -> Reply:  # noqa: PLR0911 - a table of routes
        match scope["method"], scope["path"].split("/")[1:]:
            case "GET", ["v2" | "-", *rest]:
                return self._read(scope, rest)
            case "GET", ["metrics"]:
                return Reply(200, await asyncio.to_thread(self._metrics.text), b"text/plain; version=1.0.0")
            case "GET", ["ping" | "health"]:
                return Reply(200, b"\n", b"text/plain")
            case "GET", ["version"]:
                return Reply(200, self._version.encode(), b"text/plain")
            case "GET", ["v1", "models"]:
                return json({"models": list(self._table.state.models)})
            case "GET", ["v1", "models", name]:
                state = self._table.state
                return json({"name": name, "ready": state.ready(served_model(state.models, name))})
            case "POST", ["-", "plan"]:
                self._require_key(scope)
                plan = _decode_plan(await read_body(receive))
                return json(await asyncio.to_thread(self._table.apply, plan))
            case "POST", ["-", "flush"]:
                self._require_key(scope)
                await asyncio.to_thread(self._log.flush)
                return json({})
        raise _nothing(scope)

    def _read(self, scope: Scope, rest: list[str]) -> Reply:  # noqa: C901, PLR0911 - a table of routes
        state = self._table.state
        match scope["path"].split("/")[1], rest:
            case "v2", [] | [""]:
                return Reply(200, self._name)
            case "v2", ["health", "live"]:
                return json({"live": True})
            case "v2", ["health", "ready"]:
                models = [model for model in state.models.values() if model.champion]
                return _readiness({}, all(map(state.ready, models)) and not self._log.error)
            case "v2", ["models", name]:
                return Reply(200, self._metadata(name, 0))
            case "v2", ["models", name, "versions", text]:
                return Reply(200, self._metadata(name, version_number(text)))
            case "v2", ["models", name, "ready"]:
                return _readiness({"name": name}, state.ready(served_model(state.models, name)))
            case "v2", ["models", name, "versions", text, "ready"]:
                self._table.find(name, version_number(text))
                return _readiness({"name": name}, (name, version_number(text)) in state.live)
            case "-", ["resident"]:
                self._require_key(scope)
                return json(resident())
            case "-", ["loaded"]:
                self._require_key(scope)
                return json(state.loaded())
            case "-", ["observed"]:
                self._require_key(scope)
                return json(self._contests.observed(state))
        raise _nothing(scope)

    async def _infer(self, face: Face, scope: Scope, receive: Receive) -> Reply:
        body = await read_body(receive)
        name = face.model or self._only_model()
        began = perf_counter()
        live, variant = self._table.find(name, face.number)
        if live is None:
            live = await asyncio.to_thread(self._table.load_now, name, face.number)
        question = face.read(body, live.served.signature, scope)
        asked = perf_counter()
        state = self._table.state
        model = None if face.number else state.models.get(name)
        contest = Asked(model, state, face, body, scope) if model and model.challengers else None
        if contest:
            given = await self._contests.answer(contest, live, question)
            live, question, answer = given
        else:
            answer = await self._ask(live, name, variant, question)
        answered = perf_counter()
        reply = face.write(answer, question, live.served.signature)
        logged = header(scope, b"x-penstock-log") != b"off"
        if not logged:
            self._require_key(scope)
        else:
            now = self._table.state.now()
            self._log.append(record_of(answer, question.columns, live.environment, now))
        if contest:
            self._contests.shadow(contest, given, logged=logged)
        stages = (asked - began, answered - asked, perf_counter() - answered)
        self._metrics.answered(answer, live.environment, stages)
        return reply

    async def _ask(self, live: Live, name: str, variant: str, question: Question) -> Answer:
        asking: Callable[[], Answer] = partial(
            ask,
            live.runtime,
            question.columns,
            first_id=question.id or uuid4().hex,
            model=name,
            version=live.served.number,
            variant=variant,
        )
        return await asyncio.to_thread(asking) if question.rows > INLINE_ROWS else asking()

    def _refused(self, face: Face | None, status: int, sentence: str) -> Reply:
        if face is None:
            return Reply(status, encode_error(sentence))
        name = face.model if face.model in self._table.state.models else ""
        self._metrics.refused(name, status)
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

    def _metadata(self, name: str, chosen: int) -> bytes:
        model = served_model(self._table.state.models, name)
        version = served_version(model, assign(model, chosen)[0])
        numbers = [version.number for version in model.versions]
        return encode_metadata(
            name, numbers, _PLATFORM.get(version.format, version.format), version.signature
        )

    def _require_key(self, scope: Scope) -> None:
        if not hmac.compare_digest(header(scope, b"x-penstock-key"), self._key):
            raise NotAllowed(
                what="This is for the control plane only", expected="its key", found="another or none"
            )


def _decode_plan(body: bytes) -> Plan:
    try:
        return msgspec.json.decode(body, type=Plan)
    except msgspec.DecodeError as error:
        raise InvalidValue(what="This is not a serving plan", found=str(error)) from None


def _readiness(about: dict[str, Any], ready: bool) -> Reply:
    return json({**about, "ready": ready}, 200 if ready else 503)


def _nothing(scope: Scope) -> NotFound:
    return NotFound(
        what=f"There is nothing at {scope['method']} {scope['path']}", fix="GET /v2 says what is here."
    )

"""The Open Inference Protocol v2 over HTTP, as a bare ASGI application."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from importlib.metadata import version as installed_version
from typing import Any
from uuid import uuid4

import msgspec

from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.table import Live, Table
from penstock.core.errors import (
    InvalidRequest,
    InvalidValue,
    NotAllowed,
    NotFound,
    PenstockError,
    Unavailable,
)
from penstock.serving.answers import ask
from penstock.serving.assignment import assign, served_model, served_version
from penstock.serving.decode import decode_request
from penstock.serving.encode import encode_answer, encode_error, encode_metadata
from penstock.serving.types import Answer, LogRecord, Plan

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MOST_BYTES = 64 * 1024 * 1024
INLINE_ROWS = 256
"""Requests of more rows are computed in a thread, so that small ones need not wait for them."""

_encode = msgspec.json.Encoder().encode
_log = logging.getLogger("penstock.predictor")
_PLATFORM = {"onnx": "onnx_onnxruntime"}


class Server:
    """Answers requests from the table and remembers the answers in the log."""

    def __init__(self, table: Table, log: LogWriter, key: str) -> None:
        self._table = table
        self._log = log
        self._key = key.encode()
        self._name = _encode({"name": "penstock", "version": installed_version("penstock"), "extensions": []})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; every refusal is `{"error": sentence}`."""
        try:
            status, body = await self._route(scope, receive)
        except PenstockError as error:
            status, body = error.status, encode_error(str(error))
        except Exception:  # noqa: BLE001 - the connection is owed an answer, the log the reason
            _log.exception("a request failed")
            status, body = 500, encode_error("The prediction service failed; its log says why.")
        length = str(len(body)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _route(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        match scope["method"], scope["path"].split("/")[1:]:
            case "POST", ["v2", "models", model, "infer"]:
                return 200, await self._infer(model, 0, scope, receive)
            case "POST", ["v2", "models", model, "versions", number, "infer"]:
                return 200, await self._infer(model, _number(number), scope, receive)
            case "GET", ["v2" | "-", *rest]:
                return self._read(scope, rest)
            case "POST", ["-", "plan"]:
                self._require_key(scope)
                plan = _decode_plan(await _read_body(receive))
                return 200, _encode(await asyncio.to_thread(self._table.apply, plan))
            case "POST", ["-", "flush"]:
                self._require_key(scope)
                await asyncio.to_thread(self._log.flush)
                return 200, b"{}"
        raise _nothing(scope)

    def _read(self, scope: Scope, rest: list[str]) -> tuple[int, bytes]:  # noqa: PLR0911 - a table of routes
        state = self._table.state
        match scope["path"].split("/")[1], rest:
            case "v2", [] | [""]:
                return 200, self._name
            case "v2", ["health", "live"]:
                return 200, b'{"live":true}'
            case "v2", ["health", "ready"]:
                models = [model for model in state.models.values() if model.champion]
                return _readiness({}, all(map(state.ready, models)) and not self._log.error)
            case "v2", ["models", name]:
                return 200, self._metadata(name, 0)
            case "v2", ["models", name, "versions", number]:
                return 200, self._metadata(name, _number(number))
            case "v2", ["models", name, "ready"]:
                return _readiness({"name": name}, state.ready(served_model(state.models, name)))
            case "v2", ["models", name, "versions", number, "ready"]:
                self._table.find(name, _number(number))
                return _readiness({"name": name}, (name, _number(number)) in state.live)
            case "-", ["loaded"]:
                self._require_key(scope)
                return 200, _encode(state.loaded())
        raise _nothing(scope)

    async def _infer(self, name: str, number: int, scope: Scope, receive: Receive) -> bytes:
        body = await _read_body(receive)
        live, variant = self._table.find(name, number)
        if live is None:
            live = await asyncio.to_thread(self._table.load_now, name, number)
        question = decode_request(body, live.served.signature)
        asking = partial(
            ask,
            live.runtime,
            question.columns,
            first_id=question.id or uuid4().hex,
            model=name,
            version=live.served.number,
            variant=variant,
        )
        answer = await asyncio.to_thread(asking) if question.rows > INLINE_ROWS else asking()
        encoded = encode_answer(answer, question.outputs)
        if _header(scope, b"x-penstock-log") == b"off":
            self._require_key(scope)
        else:
            self._log.append(self._record(live, question.columns, answer))
        return encoded

    def _record(self, live: Live, columns: dict[str, list[Any]], answer: Answer) -> LogRecord:
        return LogRecord(
            ids=answer.ids,
            time=self._table.state.now(),
            model=answer.model,
            environment=live.environment,
            version=answer.version,
            variant=answer.variant,
            inputs=columns,
            score=answer.score,
            label=answer.label,
        )

    def _metadata(self, name: str, number: int) -> bytes:
        model = served_model(self._table.state.models, name)
        version = served_version(model, assign(model, number)[0])
        numbers = [version.number for version in model.versions]
        return encode_metadata(
            name, numbers, _PLATFORM.get(version.format, version.format), version.signature
        )

    def _require_key(self, scope: Scope) -> None:
        if not hmac.compare_digest(_header(scope, b"x-penstock-key"), self._key):
            raise NotAllowed(
                what="This is for the control plane only", expected="its key", found="another or none"
            )


def _header(scope: Scope, name: bytes) -> bytes:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    return next((value for key, value in headers if key == name), b"")


async def _read_body(receive: Receive) -> bytes:
    """The whole body. Raises InvalidRequest when it is too long, Unavailable when the client leaves."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        if len(body) > MOST_BYTES:
            raise InvalidRequest(
                expected=f"a request of at most {MOST_BYTES // 1024**2} MiB",
                found="a longer one",
                fix="Send fewer rows.",
            )
        message = await receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise Unavailable(what="The client left before its request was complete")
    return body


def _decode_plan(body: bytes) -> Plan:
    try:
        return msgspec.json.decode(body, type=Plan)
    except msgspec.DecodeError as error:
        raise InvalidValue(what="This is not a serving plan", found=str(error)) from None


def _number(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text):
        return int(text)
    raise NotFound(what=f"There is no version {text!r}", expected="a number from 1", found=text)


def _readiness(about: dict[str, Any], ready: bool) -> tuple[int, bytes]:
    return (200 if ready else 503), _encode({**about, "ready": ready})


def _nothing(scope: Scope) -> NotFound:
    return NotFound(
        what=f"There is nothing at {scope['method']} {scope['path']}", fix="GET /v2 says what is here."
    )

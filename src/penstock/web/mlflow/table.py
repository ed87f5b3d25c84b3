"""The table of MLflow's calls, and how one is read, answered and refused."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_type_hints
from urllib.parse import parse_qs

import msgspec

from penstock.app import App
from penstock.core.errors import (
    Conflict,
    InvalidValue,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    PenstockError,
    Unavailable,
)

Answer = dict[str, Any]
Handler = Callable[..., Answer]
_CODES: tuple[tuple[type[PenstockError], str, int], ...] = (
    (NotFound, "RESOURCE_DOES_NOT_EXIST", 404),
    (Conflict, "INVALID_PARAMETER_VALUE", 400),
    (InvalidValue, "INVALID_PARAMETER_VALUE", 400),
    (NotAllowed, "PERMISSION_DENIED", 403),
    (NotAuthenticated, "UNAUTHENTICATED", 401),
    (Unavailable, "TEMPORARILY_UNAVAILABLE", 503),
)


class Refused(Exception):
    """A call that is not answered, as MLflow's clients read it."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status

    def body(self) -> bytes:
        """The answer."""
        return msgspec.json.encode({"error_code": self.code, "message": str(self)})


class Call:
    """A method and a path such as `mlflow/logged-models/{model_id}`, and the function that answers.

    The function takes the system, who asks (empty for nobody in particular) and a struct with what is asked:
    the JSON body, the query of a GET, and the parts of the path. `taken` is MLflow's code of a Conflict.
    """

    def __init__(self, method: str, path: str, handler: Handler, taken: str) -> None:
        self.method = method
        self.path = path
        self._handler = handler
        self._taken = taken
        self.expression = re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path))
        asked = list(inspect.signature(handler).parameters)[2]
        self._asked: type[msgspec.Struct] = get_type_hints(handler)[asked]
        self._lists = {field.name for field in msgspec.structs.fields(self._asked) if _is_list(field.type)}

    def answer(self, app: App, who: str, query: str, body: bytes, parts: Mapping[str, str]) -> bytes:
        """Answer a call with JSON. Raises Refused."""
        try:
            return msgspec.json.encode(self._handler(app, who, self._read(query, body, parts)))
        except Conflict as error:
            raise Refused(self._taken, str(error), 400) from error
        except PenstockError as error:
            raise refused(error) from error

    def _read(self, query: str, body: bytes, parts: Mapping[str, str]) -> msgspec.Struct:
        try:
            fields = msgspec.json.decode(body or b"{}", type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidValue(expected="a JSON object", found=str(error)) from error
        for name, values in parse_qs(query, keep_blank_values=True).items():
            fields.setdefault(name, values if name in self._lists else values[-1])
        fields.setdefault("run_id", fields.get("run_uuid"))  # the name that clients of old know
        told = {name: value for name, value in {**fields, **parts}.items() if value is not None}
        try:
            return msgspec.convert(told, self._asked, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidValue(what=f"{self.path} is asked wrongly", found=str(error)) from error


class Calls:
    """A table of calls; one may be made of others."""

    def __init__(self, *tables: Calls) -> None:
        self._plain: dict[tuple[str, str], Call] = {}
        self._with_parts: list[Call] = []
        for table in tables:
            for call in table:
                self._enter(call)

    def __iter__(self) -> Iterator[Call]:
        yield from self._plain.values()
        yield from self._with_parts

    def call(
        self, method: str, path: str, *, taken: str = "INVALID_PARAMETER_VALUE"
    ) -> Callable[[Handler], Handler]:
        """Enter a function into the table."""

        def enter(handler: Handler) -> Handler:
            self._enter(Call(method, path, handler, taken))
            return handler

        return enter

    def find(self, method: str, path: str) -> tuple[Call, dict[str, str]] | None:
        """The call that answers, with the parts of its path."""
        plain = self._plain.get((method, path))
        if plain:
            return plain, {}
        for call in self._with_parts:
            found = call.expression.fullmatch(path) if call.method == method else None
            if found:
                return call, found.groupdict()
        return None

    def _enter(self, call: Call) -> None:
        if "{" in call.path:
            self._with_parts.append(call)
        else:
            self._plain[call.method, call.path] = call


def refused(error: PenstockError) -> Refused:
    """An error as MLflow's clients read it."""
    for kind, code, status in _CODES:
        if isinstance(error, kind):
            return Refused(code, str(error), status)
    return Refused("INTERNAL_ERROR", str(error), error.status)


def _is_list(kind: Any) -> bool:
    return getattr(kind, "__origin__", None) in {tuple, list}

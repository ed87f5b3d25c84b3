"""The table of routes and the one way to call them."""

from __future__ import annotations

import functools
import inspect
import re
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

import msgspec

from penstock.app.wiring import App
from penstock.core.errors import InvalidValue, NotFound

Handler = Callable[..., Any]
LARGEST = 2**63 - 1
"""The largest number that every store keeps."""
_KINDS: dict[Any, str] = {
    str: "a text",
    int: "a whole number",
    int | None: "a whole number",
    float: "a number",
    dict[str, Any] | None: "a JSON object",
    list[dict[str, Any]]: "a list of JSON objects",
}


class Route(msgspec.Struct, frozen=True):
    """A method and a path such as `/runs/{id}`, and the function that answers.

    The function takes the app, the path's parts as text, and the body (POST) or query (GET)
    as keywords.
    """

    method: str
    pattern: str
    handler: Handler
    summary: str

    def match(self, path: str) -> dict[str, str] | None:
        """The path's parts by name, or None if this is another route's path."""
        expression = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", self.pattern)
        found = re.fullmatch(expression, path)
        return found.groupdict() if found else None


_TABLE: list[Route] = []


def route(method: str, pattern: str) -> Callable[[Handler], Handler]:
    """Enter a function into the table."""

    def enter(handler: Handler) -> Handler:
        summary = (handler.__doc__ or "").strip().split("\n")[0]
        _TABLE.append(Route(method, pattern, handler, summary))
        return handler

    return enter


class _Routes:
    """The table as a sequence, complete once the modules of nouns and verbs are imported."""

    def __iter__(self) -> Any:
        return iter(_TABLE)

    def __len__(self) -> int:
        return len(_TABLE)


ROUTES = _Routes()


def call(app: App, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """Answer a call with JSON-like data.

    Raises NotFound for an unknown path, InvalidValue for a field that is unknown, missing or
    of another type than the function takes, and whatever the verb itself refuses.
    """
    for entry in _TABLE:
        if entry.method == method and (parts := entry.match(path)) is not None:
            fields = {**(body or {}), **parts}
            _check(entry, fields)
            return msgspec.to_builtins(entry.handler(app, **_typed(entry, fields)), str_keys=True)
    raise NotFound(
        what=f"There is no {method} {path}.", fix="penstock --help lists the nouns and verbs that there are."
    )


def _check(entry: Route, fields: Mapping[str, Any]) -> None:
    parameters = list(inspect.signature(entry.handler).parameters.values())[1:]
    allowed = [parameter.name for parameter in parameters]
    if unknown := sorted(set(fields) - set(allowed)):
        raise InvalidValue(expected=f"fields among {', '.join(allowed) or 'none'}", found=", ".join(unknown))
    required = [parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty]
    if missing := [name for name in required if name not in fields]:
        raise InvalidValue(expected=f"the field {missing[0]}", found=", ".join(sorted(fields)) or "no fields")


@functools.cache
def _hints(handler: Handler) -> dict[str, Any]:
    return get_type_hints(handler)


def _typed(entry: Route, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as the types that the function takes; numbers may be written as text."""
    kinds = _hints(entry.handler)
    typed = {}
    for name, value in fields.items():
        try:
            typed[name] = msgspec.convert(value, kinds[name], strict=False)
        except msgspec.ValidationError as error:
            raise InvalidValue(
                what=f"The field {name} has an impossible value",
                expected=_KINDS.get(kinds[name], str(error)),
                found=reprlib.repr(value),
            ) from None
        if type(typed[name]) is int and abs(typed[name]) > LARGEST:
            raise InvalidValue(
                what=f"The field {name} has an impossible value",
                expected=f"a whole number up to {LARGEST}",
                found=reprlib.repr(value),
            )
    return typed

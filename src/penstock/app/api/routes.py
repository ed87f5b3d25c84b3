"""Tables of routes and the one way to call them."""

from __future__ import annotations

import functools
import inspect
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_type_hints

import msgspec

from penstock.core.errors import InvalidValue, NotFound

Handler = Callable[..., Any]
LARGEST = 2**63 - 1
"""The largest number that every store keeps."""
_KINDS: dict[Any, str] = {
    str: "a text",
    int: "a whole number",
    int | None: "a whole number",
    float: "a number",
    bool | None: "true or false",
    dict[str, Any] | None: "a JSON object",
    list[Any] | None: "a list",
    list[dict[str, Any]]: "a list of JSON objects",
}


class Route:
    """A method and a path such as `/runs/{id}`, and the function that answers.

    The function takes the system, the path's parts as text, and the body (POST) or query (GET)
    as keywords.
    """

    def __init__(self, method: str, pattern: str, handler: Handler) -> None:
        self.method = method
        self.pattern = pattern
        self.handler = handler
        self.summary = (handler.__doc__ or "").strip().split("\n")[0]
        self._expression = re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", pattern))

    def match(self, path: str) -> dict[str, str] | None:
        """The path's parts by name, or None if this is another route's path."""
        found = self._expression.fullmatch(path)
        return found.groupdict() if found else None

    def answer(self, system: Any, fields: Mapping[str, Any]) -> Any:
        """JSON-like data. Raises InvalidValue for a field that is unknown, missing or of another type."""
        if unknown := sorted(set(fields) - set(self.kinds)):
            raise InvalidValue(
                expected=f"fields among {', '.join(self.kinds) or 'none'}", found=", ".join(unknown)
            )
        if missing := [name for name in self.required if name not in fields]:
            raise InvalidValue(
                expected=f"the field {missing[0]}", found=", ".join(sorted(fields)) or "no fields"
            )
        typed = {name: _typed(name, value, self.kinds[name]) for name, value in fields.items()}
        return msgspec.to_builtins(self.handler(system, **typed), str_keys=True)

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields that it takes."""
        return frozenset(self.kinds)

    @functools.cached_property
    def kinds(self) -> dict[str, Any]:
        """The types of the fields by name."""
        hints = get_type_hints(self.handler)
        return {name: hints[name] for name in [*inspect.signature(self.handler).parameters][1:]}

    @functools.cached_property
    def required(self) -> list[str]:
        """The names of the fields that it does not do without."""
        parameters = inspect.signature(self.handler).parameters
        return [name for name in self.kinds if parameters[name].default is inspect.Parameter.empty]


class Routes:
    """A table of routes; one may be made of others."""

    def __init__(self, *tables: Routes) -> None:
        self._routes = [route for table in tables for route in table]

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def route(self, method: str, pattern: str) -> Callable[[Handler], Handler]:
        """Enter a function into the table."""

        def enter(handler: Handler) -> Handler:
            self._routes.append(Route(method, pattern, handler))
            return handler

        return enter

    def knows(self, method: str, path: str) -> bool:
        """Whether a route of this table answers."""
        return any(route.method == method and route.match(path) is not None for route in self._routes)

    def pattern(self, method: str, path: str) -> tuple[str, dict[str, str]]:
        """The pattern of the route that answers, and the path's parts. Raises NotFound."""
        route, parts = self._find(method, path)
        return route.pattern, parts

    def fields(self, method: str, path: str) -> frozenset[str]:
        """The fields that a route takes; of a path that no route has, none."""
        found = (each for each in self._routes if each.method == method and each.match(path) is not None)
        return next((route.fields for route in found), frozenset())

    def call(self, system: Any, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Answer a call with JSON-like data.

        Raises NotFound for an unknown path, InvalidValue for a field that is unknown, missing or
        of another type than the function takes, and whatever the verb itself refuses.
        """
        route, parts = self._find(method, path)
        return route.answer(system, {**(body or {}), **parts})

    def _find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        for route in self._routes:
            if route.method == method and (parts := route.match(path)) is not None:
                return route, parts
        raise NotFound(
            what=f"There is no {method} {path}.",
            fix="penstock --help lists the nouns and verbs that there are.",
        )


def _typed(name: str, value: Any, kind: Any) -> Any:
    """A field as the type that the function takes; numbers may be written as text."""
    try:
        typed = msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidValue(
            what=f"The field {name} has an impossible value",
            expected=_KINDS.get(kind, str(error)),
            found=reprlib.repr(value),
        ) from None
    least = 0 if name == "limit" else -LARGEST
    if type(typed) is int and not least <= typed <= LARGEST:
        raise InvalidValue(
            what=f"The field {name} has an impossible value",
            expected=f"a whole number {'from 0 ' if least == 0 else ''}up to {LARGEST}",
            found=reprlib.repr(value),
        )
    return typed

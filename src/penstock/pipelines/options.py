"""How a step says that it wants to be run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from penstock.core.durations import duration
from penstock.core.errors import InvalidPipeline, InvalidValue
from penstock.core.sizes import size
from penstock.core.words import meant
from penstock.pipelines.types import Options


def options(
    *,
    retries: int,
    retry_on: Iterable[str],
    backoff: str,
    timeout: str,
    cache: bool,
    cpus: float,
    memory: str,
    gpus: float,
    secrets: Iterable[str],
) -> Options:
    """Options in the units of `Options`: seconds and bytes. Raises InvalidValue or InvalidPipeline."""
    for name, amount in (("retries", retries), ("cpus", cpus), ("gpus", gpus)):
        if amount < 0:
            raise InvalidPipeline(what=f"A step's `{name}` cannot be negative", found=str(amount))
    if isinstance(retry_on, str) or not all(isinstance(name, str) for name in retry_on):
        raise InvalidPipeline(
            what="A step's `retry_on` is not a list of names",
            expected='the names of errors, such as ("ConnectionError", "TimeoutError")',
            found=repr(retry_on),
        )
    if isinstance(secrets, str):
        raise InvalidPipeline(
            what="A step's `secrets` are not a list", expected='names such as ["DB_PASSWORD"]', found=secrets
        )
    named = tuple(secrets)
    for name in named:
        check_secret(name)
    return Options(
        secrets=named,
        retries=retries,
        retry_on=tuple(retry_on),
        backoff=duration(backoff).total_seconds() if backoff else 0.0,
        timeout=duration(timeout).total_seconds() if timeout else 0.0,
        cache=cache,
        cpus=float(cpus),
        gpus=float(gpus),
        memory=_bytes(memory) if memory else 0,
    )


_SECRET = re.compile(r"[A-Z][A-Z0-9_]{1,99}")
_NOT_GIVEN = re.compile(r"(PENSTOCK|PYTHON|LD|DYLD)_?.*|PATH|HOME|SHELL|IFS|ENV")


def check_secret(name: str) -> None:
    """Raises InvalidPipeline for what cannot be an environment variable that a step is given."""
    if not _SECRET.fullmatch(name) or _NOT_GIVEN.fullmatch(name):
        raise InvalidPipeline(
            what="This cannot be the name of a secret",
            expected="capital letters, digits and _, such as DB_PASSWORD; not what programs are run by",
            found=repr(name),
        )


UNSAFE_PICKLE = "unsafe_pickle"
"""The one format that a step must ask for: every other is found by the type of the value."""


def asked(formats: Mapping[str, str], outputs: tuple[str, ...]) -> dict[str, str]:
    """The formats that a step asks for, by output. Raises InvalidPipeline for what there is not."""
    for output, name in formats.items():
        if output not in outputs:
            raise InvalidPipeline(
                what=f"A step's `formats` name the output {output!r}", fix=meant(output, outputs)
            )
        if name != UNSAFE_PICKLE:
            raise InvalidPipeline(
                what=f"A step's `formats` ask for {name!r}",
                expected=UNSAFE_PICKLE,
                fix="Every other format is found by the type of what the step returns.",
            )
    return dict(formats)


def _bytes(text: str) -> int:
    try:
        return size(text)
    except InvalidValue as error:
        raise InvalidPipeline(
            what="A step's `memory` is not a size", expected=error.expected, found=error.found
        ) from None

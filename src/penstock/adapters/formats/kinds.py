"""What formats ask of libraries: types without importing them, and that what they need is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from penstock.core.errors import StepFailed


def is_a(value: object, library: str, *names: str) -> bool:
    """Whether a value is an instance of one of these classes of a library, subclasses included."""
    return any(
        base.__name__ in names and base.__module__.partition(".")[0] == library
        for base in type(value).__mro__
    )


@contextmanager
def needing(package: str, why: str) -> Iterator[None]:
    """Import a package of the project's own environment. Raises StepFailed, with what to add, without it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise StepFailed(
            what=f"{package} is not installed, and {why}",
            fix=f"Add it to the project's dependencies: uv add {package}, then commit uv.lock.",
        ) from error

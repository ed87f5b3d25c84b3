"""What formats ask of a project: packages that they need, and words that they do nothing without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from penstock.core.errors import StepFailed

BY_REQUEST = '@step(formats={"result": "unsafe_pickle"}).'
"""How a step asks for what nothing does by itself."""


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

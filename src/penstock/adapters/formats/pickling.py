"""Values to pickles and back: what is read back runs whatever it names, which only processes for that do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from penstock.core.errors import StepFailed


def to_pickle(value: Any) -> bytes:
    """A value as a pickle. Raises StepFailed for one that cannot be pickled."""
    import pickle

    with picklable(value):
        return pickle.dumps(value, protocol=5)


def from_pickle(data: bytes) -> Any:
    """What was pickled."""
    import pickle

    return pickle.loads(data)  # noqa: S301 - asked for by name


@contextmanager
def picklable(value: Any) -> Iterator[None]:
    """Raises StepFailed, naming its class, where a value turns out to be none that can be pickled."""
    from pickle import PicklingError

    try:
        yield
    except (PicklingError, TypeError, AttributeError, RecursionError) as error:
        raise StepFailed(
            what=f"It returned a {type(value).__qualname__} that cannot be pickled", found=str(error)
        ) from error

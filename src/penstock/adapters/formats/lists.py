"""Lists of values that are kept one by one, each in its own format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, get_args, get_origin, overload

from penstock.runs.types import Artifact

Read = Callable[[Artifact, Any], Any]


def read_elements(kept: list[Artifact], annotation: Any, read: Read) -> Sequence[Any]:
    """The values of a list: a list, or a sequence that reads each when it is asked for.

    The latter for the annotation `Sequence`; the annotation's own argument says as what elements come back.
    """
    arguments = get_args(annotation)
    element = arguments[0] if arguments else None
    lazy = Elements(kept, lambda artifact: read(artifact, element))
    return lazy if (get_origin(annotation) or annotation) is Sequence else list(lazy)


class Elements(Sequence[Any]):
    """A list that reads an element each time it is asked for, and so holds none in memory."""

    def __init__(self, kept: list[Artifact], read: Callable[[Artifact], Any]) -> None:
        self._kept = kept
        self._read = read

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Elements(self._kept[index], self._read)
        return self._read(self._kept[index])

    def __repr__(self) -> str:
        return f"<{len(self)} elements, each read when it is asked for>"

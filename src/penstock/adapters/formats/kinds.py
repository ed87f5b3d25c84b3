"""What formats are, and how they know types without importing their libraries."""

from __future__ import annotations

import types
from typing import Annotated, Any, Protocol, Union, get_args, get_origin

from penstock.lineage.ports import Blobs
from penstock.runs.types import Artifact

Kind = tuple[str, str]
"""A class by the library it comes from and its name: `("polars", "LazyFrame")`."""


class Format(Protocol):
    """A way of keeping values of some types. The bytes of equal values are the same."""

    name: str

    def takes(self, value: object) -> bool:
        """Whether the value is of a type that is kept this way."""
        ...

    def write(self, value: Any, blobs: Blobs) -> Artifact:
        """Keep the value. Raises StepFailed when it holds something that this format cannot keep."""
        ...

    def read(self, artifact: Artifact, blobs: Blobs, annotation: Any) -> Any:
        """A kept value, as the type that `annotation` asks for where the format knows several.

        Raises NotFound or Corrupt.
        """
        ...


def wanted(annotation: Any) -> Kind:
    """The class that an annotation asks for; that of `Annotated[X, ...]`, `X | None` and `X[...]` is X."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return wanted(get_args(annotation)[0])
    if origin in {Union, types.UnionType}:
        classes = [each for each in get_args(annotation) if each is not type(None)]
        return wanted(classes[0]) if len(classes) == 1 else ("", "")
    asked = origin or annotation
    module = getattr(asked, "__module__", None) or ""
    return module.partition(".")[0], getattr(asked, "__name__", None) or ""

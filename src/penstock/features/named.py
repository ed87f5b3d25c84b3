"""Which version of a feature view is meant by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from penstock.core.errors import NotFound
from penstock.core.words import meant


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class _There(Protocol):
    """A version of a view where it is needed; `deployed` says that the release there has it."""

    @property
    def view(self) -> _Named: ...

    @property
    def deployed(self) -> bool: ...


There = TypeVar("There", bound=_There)


def named_view(name: str, views: Sequence[There], environment: str) -> There:
    """The view that is meant among those of an environment, or of all in their order where it is empty: of
    the last that has it, the release's version before one that a model was trained on. Raises NotFound.
    """
    found = [each for each in views if each.view.name == name]
    found = [each for each in found if each.deployed] or found
    if not found:
        where = f" in {environment}" if environment else ""
        raise NotFound(
            what=f"There is no feature view {name!r}{where}.",
            fix=meant(name, {each.view.name for each in views}),
        )
    return found[-1]

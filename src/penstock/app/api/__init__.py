"""The nouns and verbs that every face speaks: one table of routes for pages, commands and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import lazy

__all__ = ["ROUTES", "call"]

if TYPE_CHECKING:
    from penstock.app.api.table import ROUTES, call
else:  # The routes of runs are answered without the rest of the system.
    __getattr__ = lazy(__name__, dict.fromkeys(__all__, "penstock.app.api.table"))

"""Wires components to adapters; the only module that knows them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import lazy

__all__ = ["App", "open_app"]

if TYPE_CHECKING:
    from penstock.app.wiring import App, open_app
else:  # A command that only asks a running system needs its address, and none of the components.
    __getattr__ = lazy(__name__, dict.fromkeys(__all__, "penstock.app.wiring"))

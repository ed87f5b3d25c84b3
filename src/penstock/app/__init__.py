"""Wires components to adapters; the only module that knows them all."""

from penstock.app.wiring import App, open_app

__all__ = ["App", "open_app"]

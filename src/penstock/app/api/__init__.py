"""The nouns and verbs that every face speaks: one table of routes for pages, commands and programs."""

from penstock.app.api import nouns, runs, verbs
from penstock.app.api.routes import ROUTES, Route, call

__all__ = ["ROUTES", "Route", "call", "nouns", "runs", "verbs"]

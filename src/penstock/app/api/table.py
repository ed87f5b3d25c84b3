"""The whole table of routes."""

from penstock.app.api import nouns, runs, verbs
from penstock.app.api.routes import Routes

ROUTES = Routes(nouns.ROUTES, runs.ROUTES, verbs.ROUTES)
call = ROUTES.call

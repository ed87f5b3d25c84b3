"""The whole table of routes."""

from penstock.app.api import builds, nouns, registry, runs, verbs
from penstock.app.api.routes import Routes

ROUTES = Routes(builds.ROUTES, nouns.ROUTES, registry.ROUTES, runs.ROUTES, verbs.ROUTES)
call = ROUTES.call

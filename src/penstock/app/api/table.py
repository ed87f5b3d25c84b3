"""The whole table of routes."""

from penstock.app.api import (
    builds,
    feast,
    features,
    imports,
    notify,
    nouns,
    registry,
    rollouts,
    runs,
    snapshots,
    sources,
    tests,
    verbs,
)
from penstock.app.api.openapi import describing
from penstock.app.api.routes import Routes

ROUTES = Routes(
    builds.ROUTES,
    feast.ROUTES,
    features.ROUTES,
    imports.ROUTES,
    notify.ROUTES,
    nouns.ROUTES,
    registry.ROUTES,
    rollouts.ROUTES,
    runs.ROUTES,
    snapshots.ROUTES,
    sources.ROUTES,
    tests.ROUTES,
    verbs.ROUTES,
)
ROUTES.route("GET", "/openapi")(describing(ROUTES))
call = ROUTES.call

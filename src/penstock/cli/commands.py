"""All commands, in the order in which `penstock --help` tells of them."""

from __future__ import annotations

import typer

from penstock.cli import (
    builds,
    compare,
    delivery,
    history,
    models,
    project,
    releases,
    runs,
    secrets,
    sweep,
    system,
    tokens,
    triggers,
)

app = typer.Typer(
    name="penstock",
    help="From a git push to continuously learning software.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
PARTS = (
    system,
    project,
    runs,
    compare,
    sweep,
    delivery,
    builds,
    releases,
    secrets,
    tokens,
    models,
    triggers,
    history,
)
for part in PARTS:
    part.register(app)

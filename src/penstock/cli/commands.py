"""All commands, in the order in which `penstock --help` tells of them."""

from __future__ import annotations

import typer

from penstock.cli import (
    compare,
    delivery,
    history,
    models,
    project,
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
for part in (system, project, runs, compare, sweep, delivery, secrets, tokens, models, triggers, history):
    part.register(app)

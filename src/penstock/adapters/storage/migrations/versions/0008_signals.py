"""Signals that triggers wait for."""

from __future__ import annotations

from alembic import op

from penstock.adapters.storage.migrations.columns import integer, key, text

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the table of signals."""
    op.create_table(
        "signals",
        key("seq"),
        *text("id", "project", "name"),
        *integer("time", "event"),
    )
    op.create_index("signals_id", "signals", ["id"], unique=True)
    op.create_index("signals_project_name_event", "signals", ["project", "name", "event"])

"""Windows that were judged bad."""

from __future__ import annotations

from alembic import op

from penstock.adapters.storage.migrations.columns import boolean, double, integer, key, text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table of alarms."""
    op.create_table(
        "alarms",
        key("seq"),
        *text("id", "project", "environment", "model"),
        *integer("version"),
        *text("what"),
        *integer("raised", "since"),
        *text("window"),
        *integer("last", "windows", "rows"),
        *double("chance"),
        *text("false_alarms", "columns", "why"),
        *integer("ended", nullable=True),
        *integer("event"),
        *boolean("back"),
    )
    op.create_index("alarms_id", "alarms", ["id"], unique=True)
    op.create_index("alarms_model_environment_ended", "alarms", ["model", "environment", "ended"])

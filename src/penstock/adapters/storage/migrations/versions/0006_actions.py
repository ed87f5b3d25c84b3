"""What triggers and subscriptions lead to besides runs."""

from __future__ import annotations

from alembic import op

from penstock.adapters.storage.migrations.columns import integer, key, text

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table of actions."""
    op.create_table(
        "actions",
        key("seq"),
        *text("id", "project", "environment", "what", "target", "status"),
        *integer("attempts"),
        *text("problem", "result", "firing"),
        *integer("cause", "made"),
        *integer("not_before", nullable=True),
        *text("delivery", "details"),
    )
    op.create_index("actions_id", "actions", ["id"], unique=True)
    op.create_index("actions_status", "actions", ["status"])
    op.create_index("actions_firing", "actions", ["firing"])

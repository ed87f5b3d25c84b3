"""Why triggers fired, and for how long they did not."""

from __future__ import annotations

from alembic import op

from penstock.adapters.storage.migrations.columns import integer, key, text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table of explanations."""
    op.create_table(
        "explanations",
        key("seq"),
        *text("id", "trigger"),
        *integer("since", "until", "looks"),
        *text("explanation", "firing"),
    )
    op.create_index("explanations_id", "explanations", ["id"], unique=True)
    op.create_index("explanations_trigger", "explanations", ["trigger"])

"""What windows told from day to day, as labels came."""

from __future__ import annotations

from alembic import op

from penstock.adapters.storage.migrations.columns import double, integer, key, text

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the table of readings."""
    op.create_table(
        "readings",
        key("seq"),
        *text("id", "window"),
        *integer("time", "labelled"),
        *double("completeness"),
        *text("metrics", "bands"),
    )
    op.create_index("readings_id", "readings", ["id"], unique=True)
    op.create_index("readings_window", "readings", ["window"])

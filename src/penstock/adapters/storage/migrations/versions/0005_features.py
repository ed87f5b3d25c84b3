"""The feature store: how far online values are."""

from __future__ import annotations

from alembic import op

from penstock.adapters.storage.migrations.columns import boolean, integer, key, text

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "materializations",
        key("seq"),
        *text("id", "project", "environment", "view", "version"),
        *integer("as_of", nullable=True),
        *text("table", "entity", "features", "run"),
        *integer("loaded", "rows"),
        *boolean("asked", "full"),
        *text("contents", "actor", "error"),
        *integer("finished", "unneeded", nullable=True),
        *integer("event"),
    )
    op.create_index("materializations_id", "materializations", ["id"], unique=True)
    op.create_index("materializations_project_environment", "materializations", ["project", "environment"])

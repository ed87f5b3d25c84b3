"""How far what answers read online is from what training reads."""

from __future__ import annotations

from alembic import op

from penstock.adapters.storage.migrations.columns import double, integer, key, text

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the table of skews."""
    op.create_table(
        "skews",
        key("seq"),
        *text("id", "window", "project", "environment", "model"),
        *integer("version"),
        *text("view"),
        *integer("start", "end", "lookups", "rows"),
        *double("lag", nullable=True),
        *text("run"),
        *double("skew", "stale", nullable=True),
        *text("columns", "failed", "unsaid"),
        *integer("measured", nullable=True),
        *integer("event"),
    )
    op.create_index("skews_id", "skews", ["id"], unique=True)
    op.create_index("skews_model_environment_start", "skews", ["model", "environment", "start"])
    op.create_index("skews_measured", "skews", ["measured"])

"""How versions were asked by the day, and the counters that were added up."""

from __future__ import annotations

from alembic import op

from penstock.adapters.storage.migrations.columns import integer, key, text

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the tables of traffic and of what was heard of it."""
    op.create_table(
        "traffic",
        key("seq"),
        *text("id", "environment", "model"),
        *integer("version"),
        *text("variant"),
        *integer("start", "rows"),
        *text("times", "refused"),
    )
    op.create_index("traffic_id", "traffic", ["id"], unique=True)
    op.create_index("traffic_model_environment_start", "traffic", ["model", "environment", "start"])
    op.create_table("heard", key("seq"), *text("id", "counters"))
    op.create_index("heard_id", "heard", ["id"], unique=True)

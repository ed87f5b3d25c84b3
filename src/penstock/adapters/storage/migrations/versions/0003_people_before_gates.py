"""What people say of versions before a gate."""

from __future__ import annotations

from alembic import op

from penstock.adapters.storage.migrations.columns import integer, key, text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables of sign-offs and waivers."""
    op.create_table(
        "sign_offs",
        key("seq"),
        *text("id", "project", "environment", "model"),
        *integer("number"),
        *text("artifact", "actor", "why"),
        *integer("time", "event"),
    )
    op.create_table(
        "waivers",
        key("seq"),
        *text("id", "project", "environment", "model"),
        *integer("number"),
        *text("artifact", "check", "actor", "why"),
        *integer("since", "until", "event"),
    )
    for table in ("sign_offs", "waivers"):
        op.create_index(f"{table}_id", table, ["id"], unique=True)
        op.create_index(f"{table}_model_number", table, ["model", "number"])

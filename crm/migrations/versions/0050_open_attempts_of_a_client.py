"""Attempts that nobody has written down are found by their client too: whoever was called a thousand times has none,
and before each call it is asked."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0050"
down_revision = "0040"
branch_labels = None
depends_on = None

_TO_WRAP_UP = text("wrapped_up_at IS NULL AND NOT imported")


def upgrade() -> None:
    op.create_index(
        "ix_attempts_to_wrap_up_client",
        "attempts",
        ["client_id"],
        sqlite_where=_TO_WRAP_UP,
        postgresql_where=_TO_WRAP_UP,
    )

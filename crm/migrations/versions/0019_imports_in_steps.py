"""Imports are taken in and undone in short steps, and say how far they have come; they may name a time zone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_STEPS = (
    "under_way IS NULL OR (under_way = 'confirming' AND state = 'staged')"
    " OR (under_way = 'undoing' AND state = 'confirmed')"
)


def upgrade() -> None:
    # SQLite adds columns to a table that others refer to, with a condition if it stands in the column.
    for column in (
        "under_way VARCHAR(24) CONSTRAINT ck_imports_under_way CHECK (under_way IN ('confirming', 'undoing'))"
        f" CONSTRAINT ck_imports_steps CHECK ({_STEPS})",
        "done INTEGER DEFAULT 0 NOT NULL CONSTRAINT ck_imports_done CHECK (done BETWEEN 0 AND row_count)",
        "done_line INTEGER DEFAULT 0 NOT NULL",
        "time_zone TEXT DEFAULT '' NOT NULL",
    ):
        op.execute(f"ALTER TABLE imports ADD COLUMN {column}")
    op.create_index(
        "ix_clients_campaign_id_code", "clients", ["campaign_id", "code"],
        sqlite_where=sa.text("code <> ''"), postgresql_where=sa.text("code <> ''"),
    )  # fmt: skip

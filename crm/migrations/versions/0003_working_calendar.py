"""Working days, and the limits between and on attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calendar_days",
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("works", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(trim(reason)) > 0", name=op.f("ck_calendar_days_reason")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_calendar_days_campaign_id")),
        sa.PrimaryKeyConstraint("campaign_id", "day", name=op.f("pk_calendar_days")),
    )
    # SQLite adds columns to a table that others refer to, with a condition if it stands in the column.
    for column, default, condition in (
        ("number_attempts_a_day", 3, "number_attempts_a_day > 0"),
        ("gap_min", 5, "gap_min >= 0"),
    ):
        op.execute(
            f"ALTER TABLE campaigns ADD COLUMN {column} INTEGER DEFAULT {default} NOT NULL"
            f" CONSTRAINT ck_campaigns_{column} CHECK ({condition})"
        )
    op.add_column("campaigns", sa.Column("country", sa.String(2), nullable=False, server_default="RU"))
    op.add_column("campaigns", sa.Column("calls_on_days_off", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_attempts_dialled_opened_at", "attempts", ["dialled", "opened_at"])

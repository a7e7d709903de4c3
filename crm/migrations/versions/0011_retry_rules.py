"""When clients whom nobody reached are tried again, as rows; and after how many tries a new one is "no contact"."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0016"
branch_labels = None
depends_on = None

RESULTS = (
    "answered", "busy", "no_answer", "declined", "no_such_number", "unavailable", "diverted", "trunk_failure",
    "cancelled", "interrupted", "uncertain",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "retry_rules",
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column(
            "result",
            sa.Enum(*RESULTS, name="result", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("disposition", sa.String(24), nullable=False),
        sa.Column("after_min", sa.Integer(), nullable=True),
        sa.Column("other_part", sa.Boolean(), nullable=False),
        sa.CheckConstraint("after_min IS NULL OR after_min BETWEEN 1 AND 43200", name=op.f("ck_retry_rules_after_min")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_retry_rules_campaign_id")),
        sa.PrimaryKeyConstraint("campaign_id", "result", "disposition", name=op.f("pk_retry_rules")),
    )
    op.execute(
        "ALTER TABLE campaigns ADD COLUMN tries_to_no_contact INTEGER DEFAULT 3 NOT NULL"
        " CONSTRAINT ck_campaigns_tries_to_no_contact CHECK (tries_to_no_contact > 0)"
    )

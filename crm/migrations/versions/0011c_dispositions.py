"""Dispositions of the office and of campaigns, where they differ from the usual ones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011c"
down_revision = "0015"
branch_labels = None
depends_on = None

_GROUPS = ("hot", "warm", "abandoned", "new", "no_contact", "cold", "competitor", "nonexistent")
_OF_OFFICE = sa.text("campaign_id IS NULL")


def upgrade() -> None:
    json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    groups = sa.Enum(*_GROUPS, name="client_group", native_enum=False, create_constraint=True, length=24)
    op.create_table(
        "dispositions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=True),
        sa.Column("key", sa.String(24), nullable=False),
        sa.Column("acts_like", sa.String(24), nullable=False),
        sa.Column("label_ru", sa.Text(), nullable=False),
        sa.Column("label_en", sa.Text(), nullable=False),
        sa.Column("digit", sa.String(1), nullable=False),
        sa.Column("client_group", groups, nullable=True),
        sa.Column("required", json, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("key <> 'undone' AND length(key) > 0", name=op.f("ck_dispositions_key")),
        sa.CheckConstraint(
            "digit IN ('', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9')", name=op.f("ck_dispositions_digit")
        ),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_dispositions_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispositions")),
        sa.UniqueConstraint("campaign_id", "key", name=op.f("uq_dispositions_campaign_id_key")),
    )
    op.create_index(
        "uq_dispositions_of_office", "dispositions", ["key"], unique=True,
        sqlite_where=_OF_OFFICE, postgresql_where=_OF_OFFICE,
    )  # fmt: skip

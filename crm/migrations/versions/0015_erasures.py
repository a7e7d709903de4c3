"""Erasures with their tombstones, a key for each recording, and a chain over what is append-only."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from crm.migrations.redaction import protect

revision = "0015"
down_revision = "0016b"
branch_labels = None
depends_on = None

JSON_COLUMN: Final = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    for table in ("organisations", "people", "recordings"):
        op.add_column(table, sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("recordings", sa.Column("wrapped_key", sa.Text(), nullable=False, server_default=""))
    op.add_column("recordings", sa.Column("sealed", sa.Boolean(), nullable=False, server_default=sa.false()))
    _erasures()
    op.create_table(
        "chain_links",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("row_id", sa.Integer(), nullable=False),
        sa.Column("salts", JSON_COLUMN, nullable=False),
        sa.Column("digests", JSON_COLUMN, nullable=False),
        sa.Column("link", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chain_links")),
        sa.UniqueConstraint("kind", "row_id", name=op.f("uq_chain_links_kind_row_id")),
    )
    protect("outcomes", "group_moves", "audit_entries", "chain_links", "erasures", "erasure_completions", "tombstones")


def _erasures() -> None:
    op.create_table(
        "erasure_completions",
        sa.Column("erasure_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blanked", JSON_COLUMN, nullable=False),
        sa.PrimaryKeyConstraint("erasure_id", name=op.f("pk_erasure_completions")),
    )
    whom = sa.Enum("person", "organisation", name="whom", native_enum=False, create_constraint=True, length=24)
    op.create_table(
        "erasures",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("whom", whom, nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(trim(reason)) > 0", name=op.f("ck_erasures_reason")),
        sa.CheckConstraint("(whom = 'person') = (person_id IS NOT NULL)", name=op.f("ck_erasures_whom_is_named")),
        # Checked when the transaction ends, so that none ends with an erasure under way.
        sa.ForeignKeyConstraint(
            ["id"],
            ["erasure_completions.erasure_id"],
            name=op.f("fk_erasures_id"),
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_erasures_organisation_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_erasures_person_id")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_erasures_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_table(
        "tombstones",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("erasure_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasures.id"], name=op.f("fk_tombstones_erasure_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_tombstones")),
    )

"""Filters saved by name, and changes to many clients at once with what they changed of each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016b"
down_revision = "0010"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "saved_filters",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("narrowing", _JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("length(trim(name)) > 0", name=op.f("ck_saved_filters_named")),
        sa.CheckConstraint("shared OR owner_id IS NOT NULL", name=op.f("ck_saved_filters_private_is_somebodys")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_saved_filters_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_filters")),
    )
    for name, columns, condition in (
        ("shared", ["name_folded"], sa.text("shared")),
        ("private", ["owner_id", "name_folded"], sa.text("NOT shared")),
    ):
        op.create_index(
            f"uq_saved_filters_{name}", "saved_filters", columns, unique=True,
            sqlite_where=condition, postgresql_where=condition,
        )  # fmt: skip
    _bulk_actions()


def _bulk_actions() -> None:
    kinds = sa.Enum(
        "owner", "group", "list", "do_not_call", name="kind", native_enum=False, create_constraint=True, length=24
    )
    op.create_table(
        "bulk_actions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", kinds, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("narrowing", _JSON, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("skipped", _JSON, nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.Integer(), nullable=True),
        sa.CheckConstraint("changed > 0", name=op.f("ck_bulk_actions_changes")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_bulk_actions_author_id")),
        sa.ForeignKeyConstraint(["undone_by"], ["users.id"], name=op.f("fk_bulk_actions_undone_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_actions")),
    )
    op.create_table(
        "bulk_changes",
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("made_id", sa.Integer(), nullable=True),
        sa.Column("undone", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["action_id"], ["bulk_actions.id"], name=op.f("fk_bulk_changes_action_id")),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_bulk_changes_client_id")),
        sa.PrimaryKeyConstraint("action_id", "client_id", name=op.f("pk_bulk_changes")),
    )

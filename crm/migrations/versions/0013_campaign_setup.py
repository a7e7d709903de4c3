"""A campaign's set-up, experts, materials, script, candidates and approvals; the customer's marks on a list."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _setups()
    _materials()
    _scripts()
    _candidates()
    _approvals()
    _list_marks()


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def _refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"))


def _version() -> sa.Column[Any]:
    return sa.Column("version", sa.Integer(), nullable=False, server_default=sa.text("1"))


def _setups() -> None:
    table = "campaign_setups"
    op.create_table(
        table,
        sa.Column("campaign_id", sa.Integer(), autoincrement=False, nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("customer", "product", "segments", "rubrics", "sources")
        ),
        sa.Column("caller_id", sa.String(16), nullable=False),
        *(sa.Column(name, sa.Date(), nullable=True) for name in ("starts_on", "calling_starts_on", "ends_on")),
        sa.Column("target_organisations", sa.Integer(), nullable=False),
        sa.Column("current_since", sa.Date(), nullable=True),
        sa.Column("follows_id", sa.Integer(), nullable=True),
        _version(),
        sa.CheckConstraint("target_organisations > 0", name=op.f(f"ck_{table}_target_organisations")),
        sa.CheckConstraint("starts_on <= calling_starts_on", name=op.f(f"ck_{table}_stages")),
        sa.CheckConstraint("calling_starts_on <= ends_on", name=op.f(f"ck_{table}_ends")),
        sa.CheckConstraint("follows_id <> campaign_id", name=op.f(f"ck_{table}_follows_another")),
        _refers(table, "campaign_id", "campaigns"),
        _refers(table, "follows_id", "campaigns"),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f(f"pk_{table}")),
    )
    table = "campaign_experts"
    op.create_table(
        table,
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        _refers(table, "campaign_id", "campaigns"),
        _refers(table, "user_id", "users"),
        sa.PrimaryKeyConstraint("campaign_id", "user_id", name=op.f(f"pk_{table}")),
    )


def _materials() -> None:
    table = "materials"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("kind", _one_of("kind", "offer", "advertising", "presentation", "other"), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("length(trim(file_name)) > 0", name=op.f(f"ck_{table}_named")),
        sa.CheckConstraint("length(sha256) = 64", name=op.f(f"ck_{table}_sha256")),
        sa.CheckConstraint("size_bytes > 0", name=op.f(f"ck_{table}_size_bytes")),
        _refers(table, "campaign_id", "campaigns"),
        _refers(table, "author_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    op.create_index(op.f("ix_materials_campaign_id"), table, ["campaign_id"])


def _scripts() -> None:
    table = "call_scripts"
    op.create_table(
        table,
        sa.Column("campaign_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("script", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        _version(),
        _refers(table, "campaign_id", "campaigns"),
        _refers(table, "author_id", "users"),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f(f"pk_{table}")),
    )


def _candidates() -> None:
    table = "candidates"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", _one_of("state", "invited", "declined", "hired", "trained", "failed"), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("score", sa.Integer(), nullable=True),
        sa.Column("remarks", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        _version(),
        sa.CheckConstraint("length(trim(name)) > 0", name=op.f(f"ck_{table}_named")),
        sa.CheckConstraint("score BETWEEN 0 AND 100", name=op.f(f"ck_{table}_score")),
        _refers(table, "campaign_id", "campaigns"),
        _refers(table, "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    op.create_index(op.f("ix_candidates_campaign_id"), table, ["campaign_id"])


def _approvals() -> None:
    table = "approvals"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("subject", _one_of("subject", "rubrics", "sources", "offer", "script", "operator"), nullable=False),
        sa.Column("candidate_id", sa.Integer(), nullable=True),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.Column("signed_on", sa.Date(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("reopened_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("length(trim(signer)) > 0", name=op.f(f"ck_{table}_signed")),
        sa.CheckConstraint(
            "(subject = 'operator') = (candidate_id IS NOT NULL)", name=op.f(f"ck_{table}_operator_is_named")
        ),
        _refers(table, "campaign_id", "campaigns"),
        _refers(table, "candidate_id", "candidates"),
        _refers(table, "author_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    for name, columns, condition in (
        ("uq_approvals_standing", ["campaign_id", "subject"], "reopened_at IS NULL AND candidate_id IS NULL"),
        ("uq_approvals_of_candidate", ["candidate_id"], "reopened_at IS NULL"),
    ):
        where = sa.text(condition)
        op.create_index(name, table, columns, unique=True, sqlite_where=where, postgresql_where=where)
    op.create_index(op.f("ix_approvals_campaign_id"), table, ["campaign_id"])


def _list_marks() -> None:
    table = "list_marks"
    op.create_table(
        table,
        sa.Column("client_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("call_list_id", sa.Integer(), nullable=False),
        sa.Column("agreed", sa.Boolean(), nullable=False),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(trim(signer)) > 0", name=op.f(f"ck_{table}_signed")),
        _refers(table, "client_id", "clients"),
        _refers(table, "call_list_id", "call_lists"),
        sa.PrimaryKeyConstraint("client_id", name=op.f(f"pk_{table}")),
    )
    op.create_index(op.f("ix_list_marks_call_list_id"), table, ["call_list_id"])

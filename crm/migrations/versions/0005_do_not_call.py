"""Requests not to be called as rows of their own, with their evidence."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WHOM = ("number", "person", "organisation")
_IN_FORCE = sa.text("lifted_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "do_not_call",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "whom",
            sa.Enum(
                "number", "person", "organisation", name="whom", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column("e164", sa.String(16), nullable=True),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.String(32), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Integer(), nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(whom = 'number') = (e164 IS NOT NULL) AND (whom = 'person') = (person_id IS NOT NULL)"
            " AND (whom = 'organisation') = (organisation_id IS NOT NULL)",
            name=op.f("ck_do_not_call_whom_is_named"),
        ),
        sa.CheckConstraint(
            "attempt_id IS NOT NULL OR length(trim(evidence)) > 0", name=op.f("ck_do_not_call_evidence")
        ),
        sa.CheckConstraint("(lifted_at IS NULL) = (length(trim(lift_reason)) = 0)", name=op.f("ck_do_not_call_lifted")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_do_not_call_person_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_do_not_call_organisation_id")),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=op.f("fk_do_not_call_attempt_id")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_do_not_call_author_id")),
        sa.ForeignKeyConstraint(["lifted_by"], ["users.id"], name=op.f("fk_do_not_call_lifted_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_do_not_call")),
    )
    _indexes()
    _carry_over()
    op.drop_column("clients", "do_not_call")


def _indexes() -> None:
    for name, column in (
        ("number", "e164"),
        ("person", "person_id"),
        ("organisation", "organisation_id"),
    ):
        op.create_index(
            f"uq_do_not_call_{name}", "do_not_call", [column], unique=True,
            sqlite_where=_IN_FORCE, postgresql_where=_IN_FORCE,
        )  # fmt: skip
    op.create_index("ix_do_not_call_attempt_id", "do_not_call", ["attempt_id"])


def _carry_over() -> None:
    """What was a mark on clients and numbers; who asked, and when, stands in the outcomes of their calls."""
    op.execute(
        "INSERT INTO do_not_call (whom, organisation_id, evidence, asked_at, lift_reason)"
        " SELECT 'organisation', organisation_id, 'from before the register', CURRENT_TIMESTAMP, ''"
        " FROM clients WHERE do_not_call GROUP BY organisation_id"
    )
    op.execute(
        "INSERT INTO do_not_call (whom, e164, evidence, asked_at, lift_reason)"
        " SELECT 'number', e164, 'from before the register', CURRENT_TIMESTAMP, ''"
        " FROM phone_numbers WHERE state = 'do_not_call' GROUP BY e164"
    )
    op.execute("UPDATE phone_numbers SET state = 'ok' WHERE state = 'do_not_call'")

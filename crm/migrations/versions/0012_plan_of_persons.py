"""The plan of each person: order and shares by campaign, who keeps a client, absences, consents, learnt numbers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_IN_FORCE = sa.text("withdrawn_at IS NULL")
_PLACED = sa.text("state = 'waiting' AND place IS NOT NULL")
_OF_PERSON = sa.text("operator_id IS NOT NULL")


def upgrade() -> None:
    _campaigns()
    op.add_column("clients", sa.Column("owned_since", sa.DateTime(timezone=True), nullable=True))
    no = "0" if op.get_bind().dialect.name == "sqlite" else "false"
    for column, condition in (
        ("place INTEGER", "place IS NULL OR operator_id IS NOT NULL"),
        (f"assigned BOOLEAN DEFAULT {no} NOT NULL", "NOT assigned OR operator_id IS NOT NULL"),
    ):
        name = column.partition(" ")[0]
        op.execute(
            f"ALTER TABLE plan_entries ADD COLUMN {column} CONSTRAINT ck_plan_entries_{name} CHECK ({condition})"
        )
    op.create_index(
        "ix_plan_entries_placed", "plan_entries", ["operator_id", "place"],
        sqlite_where=_PLACED, postgresql_where=_PLACED,
    )  # fmt: skip
    op.create_index(
        "ix_plan_entries_of_person", "plan_entries", ["operator_id", "day"],
        sqlite_where=_OF_PERSON, postgresql_where=_OF_PERSON,
    )  # fmt: skip
    _absences()
    _consents()
    op.create_table(
        "learnt_numbers",
        sa.Column("phone_number_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.String(32), nullable=False),
        sa.Column("call_next", sa.Boolean(), nullable=False),
        sa.Column("learnt_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["phone_number_id"], ["phone_numbers.id"], name=op.f("fk_learnt_numbers_phone_number_id")
        ),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=op.f("fk_learnt_numbers_attempt_id")),
        sa.PrimaryKeyConstraint("phone_number_id", name=op.f("pk_learnt_numbers")),
    )
    op.create_index("ix_learnt_numbers_attempt_id", "learnt_numbers", ["attempt_id"])


def _campaigns() -> None:
    """SQLite adds columns to a table that others refer to, with a condition if it stands in the column."""
    every_group = "hot,warm,abandoned,new,no_contact,cold,competitor"
    op.add_column("campaigns", sa.Column("group_order", sa.Text(), nullable=False, server_default=every_group))
    op.add_column("campaigns", sa.Column("shares", sa.Text(), nullable=False, server_default=""))
    op.add_column("campaigns", sa.Column("away_keeps", sa.Boolean(), nullable=False, server_default=sa.false()))
    for column, kind, condition in (
        ("calls_a_day", "INTEGER", "calls_a_day > 0"),
        ("owner_keeps_days", "INTEGER DEFAULT 14", "owner_keeps_days >= 0"),
        (
            "shares_by",
            "VARCHAR(24) DEFAULT 'nothing' NOT NULL",
            "shares_by IN ('nothing', 'industry', 'source')",
        ),
        ("consent", "VARCHAR(24) DEFAULT 'presumed' NOT NULL", "consent IN ('presumed', 'required')"),
    ):
        op.execute(
            f"ALTER TABLE campaigns ADD COLUMN {column} {kind} CONSTRAINT ck_campaigns_{column} CHECK ({condition})"
        )


def _absences() -> None:
    op.create_table(
        "absences",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("first_day <= last_day", name=op.f("ck_absences_days")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_absences_user_id")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_absences_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_absences")),
    )
    op.create_index("ix_absences_user_id_last_day", "absences", ["user_id", "last_day"])


def _consents() -> None:
    whom = sa.Enum(
        "number", "person", "organisation", name="whom", native_enum=False, create_constraint=True, length=24
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("whom", whom, nullable=False),
        sa.Column("e164", sa.String(16), nullable=True),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.Integer(), nullable=True),
        sa.Column("withdraw_reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(whom = 'number') = (e164 IS NOT NULL) AND (whom = 'person') = (person_id IS NOT NULL)"
            " AND (whom = 'organisation') = (organisation_id IS NOT NULL)",
            name=op.f("ck_consents_whom_is_named"),
        ),
        sa.CheckConstraint("length(trim(evidence)) > 0", name=op.f("ck_consents_evidence")),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (length(trim(withdraw_reason)) = 0)", name=op.f("ck_consents_withdrawn")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_consents_person_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_consents_organisation_id")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_consents_author_id")),
        sa.ForeignKeyConstraint(["withdrawn_by"], ["users.id"], name=op.f("fk_consents_withdrawn_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    for name, column in (("number", "e164"), ("person", "person_id"), ("organisation", "organisation_id")):
        op.create_index(
            f"uq_consents_{name}", "consents", [column], unique=True,
            sqlite_where=_IN_FORCE, postgresql_where=_IN_FORCE,
        )  # fmt: skip

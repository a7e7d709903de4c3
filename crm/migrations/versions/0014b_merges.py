"""Addresses, competitors, past deals and former owners; duplicates, their merging and what it leaves behind."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014b"
down_revision = "0017"
branch_labels = None
depends_on = None

JSON_COLUMN: Final = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    _addresses()
    _competitors()
    _past_deals()
    _former_owners()
    _duplicate_pairs()
    _merges()


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer(), nullable=False)


def _version() -> sa.Column[int]:
    return sa.Column("version", sa.Integer(), nullable=False, server_default=sa.text("1"))


def _moment(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def _refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"))


def _addresses() -> None:
    op.create_table(
        "addresses",
        _id(),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("kind", _one_of("kind", "postal", "legal", "actual", "other"), nullable=False),
        _text("written"),
        _version(),
        sa.CheckConstraint("length(trim(written)) > 0", name=op.f("ck_addresses_written")),
        _refers("addresses", "organisation_id", "organisations"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_addresses")),
    )
    op.create_index(op.f("ix_addresses_organisation_id"), "addresses", ["organisation_id"])


def _competitors() -> None:
    op.create_table(
        "competitors",
        _id(),
        *map(_text, ("name", "name_folded", "product", "terms", "note")),
        _moment("created_at"),
        _version(),
        sa.CheckConstraint("length(trim(name)) > 0", name=op.f("ck_competitors_named")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_competitors")),
        sa.UniqueConstraint("name_folded", name=op.f("uq_competitors_name_folded")),
    )
    op.create_table(
        "competitor_uses",
        _id(),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("competitor_id", sa.Integer(), nullable=False),
        sa.Column(
            "satisfaction",
            _one_of("satisfaction", "unknown", "satisfied", "partly", "dissatisfied"),
            nullable=False,
        ),
        _text("note"),
        _moment("noted_at"),
        _version(),
        _refers("competitor_uses", "organisation_id", "organisations"),
        _refers("competitor_uses", "competitor_id", "competitors"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_competitor_uses")),
        sa.UniqueConstraint(
            "organisation_id", "competitor_id", name=op.f("uq_competitor_uses_organisation_id_competitor_id")
        ),
    )
    op.create_index(op.f("ix_competitor_uses_competitor_id"), "competitor_uses", ["competitor_id"])


def _past_deals() -> None:
    op.create_table(
        "past_deals",
        _id(),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("made_on", sa.Date(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(3), nullable=False),
        *map(_text, ("what", "seller")),
        _moment("noted_at"),
        sa.Column("author_id", sa.Integer(), nullable=True),
        _version(),
        sa.CheckConstraint("amount_minor IS NULL OR amount_minor >= 0", name=op.f("ck_past_deals_amount")),
        sa.CheckConstraint("length(currency) = 3", name=op.f("ck_past_deals_currency")),
        _refers("past_deals", "organisation_id", "organisations"),
        _refers("past_deals", "author_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_past_deals")),
    )
    op.create_index(op.f("ix_past_deals_organisation_id_made_on"), "past_deals", ["organisation_id", "made_on"])


def _former_owners() -> None:
    op.create_table(
        "former_owners",
        _id(),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        _text("name"),
        sa.Column("left_on", sa.Date(), nullable=True),
        _moment("noted_at"),
        sa.CheckConstraint("user_id IS NOT NULL OR length(trim(name)) > 0", name=op.f("ck_former_owners_named")),
        _refers("former_owners", "client_id", "clients"),
        _refers("former_owners", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_former_owners")),
    )
    op.create_index(op.f("ix_former_owners_client_id"), "former_owners", ["client_id"])


def _duplicate_pairs() -> None:
    op.create_table(
        "duplicate_pairs",
        _id(),
        sa.Column("one_id", sa.Integer(), nullable=False),
        sa.Column("other_id", sa.Integer(), nullable=False),
        sa.Column("ground", _one_of("ground", "phone", "tax_number", "domain", "email", "name"), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("state", _one_of("state", "open", "not_duplicate", "merged"), nullable=False),
        _moment("found_at"),
        _moment("decided_at", nullable=True),
        sa.Column("decided_by", sa.Integer(), nullable=True),
        sa.CheckConstraint("one_id < other_id", name=op.f("ck_duplicate_pairs_in_order")),
        _refers("duplicate_pairs", "one_id", "organisations"),
        _refers("duplicate_pairs", "other_id", "organisations"),
        _refers("duplicate_pairs", "decided_by", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duplicate_pairs")),
        sa.UniqueConstraint("one_id", "other_id", name=op.f("uq_duplicate_pairs_one_id_other_id")),
    )
    op.create_index(op.f("ix_duplicate_pairs_state_score_id"), "duplicate_pairs", ["state", "score", "id"])
    op.create_index(op.f("ix_duplicate_pairs_other_id"), "duplicate_pairs", ["other_id"])


def _merges() -> None:
    in_force = sa.text("undone_at IS NULL")
    op.create_table(
        "organisation_merges",
        _id(),
        sa.Column("survivor_id", sa.Integer(), nullable=False),
        sa.Column("duplicate_id", sa.Integer(), nullable=False),
        _moment("merged_at"),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("journal", JSON_COLUMN, nullable=False),
        _moment("undone_at", nullable=True),
        sa.Column("undone_by", sa.Integer(), nullable=True),
        sa.CheckConstraint("survivor_id <> duplicate_id", name=op.f("ck_organisation_merges_two")),
        _refers("organisation_merges", "survivor_id", "organisations"),
        _refers("organisation_merges", "duplicate_id", "organisations"),
        _refers("organisation_merges", "author_id", "users"),
        _refers("organisation_merges", "undone_by", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation_merges")),
    )
    op.create_index(
        "uq_organisation_merges_duplicate", "organisation_merges", ["duplicate_id"], unique=True,
        sqlite_where=in_force, postgresql_where=in_force,
    )  # fmt: skip
    op.create_index(op.f("ix_organisation_merges_survivor_id"), "organisation_merges", ["survivor_id"])
    for table, what, of in (("client_joins", "client", "clients"), ("person_joins", "person", "people")):
        op.create_table(
            table,
            sa.Column(f"{what}_id", sa.Integer(), autoincrement=False, nullable=False),
            sa.Column(f"into_{what}_id", sa.Integer(), nullable=False),
            sa.Column("merge_id", sa.Integer(), nullable=False),
            _refers(table, f"{what}_id", of),
            _refers(table, f"into_{what}_id", of),
            _refers(table, "merge_id", "organisation_merges"),
            sa.PrimaryKeyConstraint(f"{what}_id", name=op.f(f"pk_{table}")),
        )
    op.create_index(op.f("ix_client_joins_into_client_id"), "client_joins", ["into_client_id"])

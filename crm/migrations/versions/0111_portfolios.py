"""Portfolios that passed to others when somebody left: the batch, and each row of it."""
# ruff: noqa: S608 - triggers are put together from names written here

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0111"
down_revision = "0101"
branch_labels = None
depends_on = None

_ERASED: Final = "Erased · Стёрто"
_FIXED: Final = ("id", "from_user_id", "dealt_by", "at", "author_id")


def upgrade() -> None:
    op.create_table(
        "portfolio_moves",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("from_user_id", sa.Integer(), nullable=False),
        sa.Column("dealt_by", _enum("dealt_by", "load", "industry"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("length(trim(reason)) > 0", name=op.f("ck_portfolio_moves_reason")),
        sa.ForeignKeyConstraint(["from_user_id"], ["users.id"], name=op.f("fk_portfolio_moves_from_user_id")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_portfolio_moves_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portfolio_moves")),
    )
    op.create_index("ix_portfolio_moves_from_user_id", "portfolio_moves", ["from_user_id"])
    kinds = ("client", "callback", "referral", "deal", "plan_entry")
    op.create_table(
        "portfolio_rows",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("move_id", sa.Integer(), nullable=False),
        sa.Column("belonging", _enum("belonging", *kinds), nullable=False),
        sa.Column("row_id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("to_user_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["move_id"], ["portfolio_moves.id"], name=op.f("fk_portfolio_rows_move_id")),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_portfolio_rows_client_id")),
        sa.ForeignKeyConstraint(["to_user_id"], ["users.id"], name=op.f("fk_portfolio_rows_to_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portfolio_rows")),
    )
    op.create_index("ix_portfolio_rows_move_id_id", "portfolio_rows", ["move_id", "id"])
    op.create_index("ix_portfolio_rows_client_id", "portfolio_rows", ["client_id"])
    for statement in _sqlite() if op.get_bind().dialect.name == "sqlite" else _postgresql():
        op.execute(sa.text(statement))


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def _blanked(same: str) -> str:
    kept = " AND ".join(f"NEW.{name} {same} OLD.{name}" for name in _FIXED)
    return f"{kept} AND NEW.reason IN (OLD.reason, '{_ERASED}')"


def _sqlite() -> list[str]:
    found = []
    for table, allowed in (("portfolio_moves", _blanked("IS")), ("portfolio_rows", "0")):
        refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        found += [
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} WHEN NOT ({allowed}) {refuse}",
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}",
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}"
            f" WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) {refuse}",
        ]
    return found


def _postgresql() -> list[str]:
    found = [
        "CREATE FUNCTION only_blank_portfolio_moves() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN IF {_blanked('IS NOT DISTINCT FROM')} THEN RETURN NEW; END IF;"
        " RAISE EXCEPTION 'portfolio_moves is append-only'"
        " USING ERRCODE = 'integrity_constraint_violation'; END $$",
        "CREATE TRIGGER portfolio_moves_no_update BEFORE UPDATE ON portfolio_moves"
        " FOR EACH ROW EXECUTE FUNCTION only_blank_portfolio_moves()",
        "CREATE TRIGGER portfolio_rows_no_update BEFORE UPDATE ON portfolio_rows"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    ]
    for table in ("portfolio_moves", "portfolio_rows"):
        found += [
            f"CREATE TRIGGER {table}_no_change BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()",
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        ]
    return found

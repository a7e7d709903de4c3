"""Who handed which promise to whom; and nobody is switched off who owns an open one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011b"
down_revision = "0014b"
branch_labels = None
depends_on = None

_OWNS = "EXISTS (SELECT 1 FROM callbacks WHERE owner_id = NEW.id AND state = 'open')"
_WHY = "a user who owns open callbacks cannot be switched off"


def upgrade() -> None:
    op.create_table(
        "callback_handovers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("callback_id", sa.Integer(), nullable=False),
        sa.Column("from_user_id", sa.Integer(), nullable=False),
        sa.Column("to_user_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("from_user_id <> to_user_id", name=op.f("ck_callback_handovers_passes")),
        sa.ForeignKeyConstraint(["callback_id"], ["callbacks.id"], name=op.f("fk_callback_handovers_callback_id")),
        sa.ForeignKeyConstraint(["from_user_id"], ["users.id"], name=op.f("fk_callback_handovers_from_user_id")),
        sa.ForeignKeyConstraint(["to_user_id"], ["users.id"], name=op.f("fk_callback_handovers_to_user_id")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_callback_handovers_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callback_handovers")),
    )
    op.create_index("ix_callback_handovers_callback_id", "callback_handovers", ["callback_id"])
    for statement in _sqlite() if op.get_bind().dialect.name == "sqlite" else _postgresql():
        op.execute(statement)


def _sqlite() -> list[str]:
    refuse = "BEGIN SELECT RAISE(ABORT, 'callback_handovers is append-only'); END"
    return [
        f"CREATE TRIGGER callback_handovers_no_update BEFORE UPDATE ON callback_handovers {refuse}",
        f"CREATE TRIGGER callback_handovers_no_delete BEFORE DELETE ON callback_handovers {refuse}",
        "CREATE TRIGGER users_leave BEFORE UPDATE OF active ON users"
        f" WHEN NOT NEW.active AND OLD.active AND {_OWNS} BEGIN SELECT RAISE(ABORT, '{_WHY}'); END",
    ]


def _postgresql() -> list[str]:
    return [
        "CREATE TRIGGER callback_handovers_no_change BEFORE UPDATE OR DELETE ON callback_handovers"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "CREATE TRIGGER callback_handovers_no_truncate BEFORE TRUNCATE ON callback_handovers"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        "CREATE FUNCTION check_user_leaves() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN IF NOT NEW.active AND OLD.active AND {_OWNS} THEN"
        f" RAISE EXCEPTION '{_WHY}' USING ERRCODE = 'integrity_constraint_violation';"
        " END IF; RETURN NEW; END $$",
        "CREATE TRIGGER users_leave BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION check_user_leaves()",
    ]

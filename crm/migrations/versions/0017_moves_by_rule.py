"""A move by rule says which rule it was."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0012"
branch_labels = None
depends_on = None

WHY = "a move by rule says which"


def upgrade() -> None:
    nameless = "NEW.cause = 'rule' AND length(trim(NEW.note)) = 0"
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER group_moves_rule BEFORE INSERT ON group_moves WHEN {nameless}"
            f" BEGIN SELECT RAISE(ABORT, '{WHY}'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION check_rule_move() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN RAISE EXCEPTION '{WHY}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER group_moves_rule BEFORE INSERT ON group_moves FOR EACH ROW WHEN ({nameless})"
        " EXECUTE FUNCTION check_rule_move()"
    )

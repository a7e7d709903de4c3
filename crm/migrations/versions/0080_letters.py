"""E-mails and faxes that were sent to clients, and count with the calls: noted, and withdrawn, but never changed."""
# ruff: noqa: S608 - triggers are put together from names written here

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0080"
down_revision = "0052"
branch_labels = None
depends_on = None

_ERASED: Final = "Erased · Стёрто"
_FIXED: Final = ("id", "client_id", "channel", "sent_at", "sent_by", "noted_at")
_OF_WITHDRAWAL: Final = ("withdrawn_at", "withdrawn_by")
_REFUSAL: Final = "letters is append-only"


def upgrade() -> None:
    channel = sa.Enum("email", "fax", name="channel", native_enum=False, create_constraint=True, length=24)
    op.create_table(
        "letters",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("channel", channel, nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_by", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.Integer(), nullable=True),
        sa.Column("withdraw_reason", sa.Text(), nullable=False),
        sa.CheckConstraint("sent_at <= noted_at", name=op.f("ck_letters_was_sent")),
        sa.CheckConstraint("length(note) <= 500", name=op.f("ck_letters_note")),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (length(trim(withdraw_reason)) = 0)", name=op.f("ck_letters_withdrawn")
        ),
        sa.CheckConstraint("withdrawn_by IS NULL OR withdrawn_at IS NOT NULL", name=op.f("ck_letters_withdrawn_by")),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_letters_client_id")),
        sa.ForeignKeyConstraint(["sent_by"], ["users.id"], name=op.f("fk_letters_sent_by")),
        sa.ForeignKeyConstraint(["withdrawn_by"], ["users.id"], name=op.f("fk_letters_withdrawn_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
    )
    op.create_index("ix_letters_client_id_sent_at", "letters", ["client_id", "sent_at"])
    for statement in _sqlite() if op.get_bind().dialect.name == "sqlite" else _postgresql():
        op.execute(sa.text(statement))


def _allowed(same: str) -> str:
    """What a change may be: a withdrawal, once, and texts that are blanked."""
    kept = " AND ".join(f"NEW.{name} {same} OLD.{name}" for name in _FIXED)
    withdrawal = " AND ".join(f"NEW.{name} {same} OLD.{name}" for name in _OF_WITHDRAWAL)
    return (
        f"{kept} AND (NEW.note = OLD.note OR NEW.note IN ('', '{_ERASED}'))"
        f" AND (OLD.withdrawn_at IS NULL OR ({withdrawal}"
        f" AND NEW.withdraw_reason IN (OLD.withdraw_reason, '{_ERASED}')))"
    )


def _sqlite() -> list[str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    return [
        f"CREATE TRIGGER letters_no_update BEFORE UPDATE ON letters WHEN NOT ({_allowed('IS')}) {refuse}",
        f"CREATE TRIGGER letters_no_delete BEFORE DELETE ON letters {refuse}",
        "CREATE TRIGGER letters_no_replace BEFORE INSERT ON letters"
        f" WHEN EXISTS (SELECT 1 FROM letters WHERE id = NEW.id) {refuse}",
    ]


def _postgresql() -> list[str]:
    return [
        "CREATE FUNCTION only_withdraw_letters() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN IF {_allowed('IS NOT DISTINCT FROM')} THEN RETURN NEW; END IF;"
        f" RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        "CREATE TRIGGER letters_no_update BEFORE UPDATE ON letters"
        " FOR EACH ROW EXECUTE FUNCTION only_withdraw_letters()",
        "CREATE TRIGGER letters_no_change BEFORE DELETE ON letters FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "CREATE TRIGGER letters_no_truncate BEFORE TRUNCATE ON letters"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]

"""What comes back to offers by e-mail, and how far the mailboxes have been read."""
# ruff: noqa: S608 - triggers are put together from names written here

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0130"
down_revision = "0111"
branch_labels = None
depends_on = None

_ERASED: Final = "Erased · Стёрто"
_KINDS: Final = ("reply", "automatic", "no_more", "bounced", "delayed", "delivered")
_FIXED: Final = ("id", "offer_id", "kind", "digest", "came_at", "read_at")
_TEXTS: Final = ("sender", "subject", "body")
_TABLE: Final = "incoming_mails"


def upgrade() -> None:
    kind = sa.Enum(*_KINDS, name="kind", native_enum=False, create_constraint=True, length=24)
    op.create_table(
        _TABLE,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("offer_id", sa.Integer(), nullable=False),
        sa.Column("kind", kind, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("came_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(digest) = 64", name=op.f("ck_incoming_mails_digest")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_incoming_mails_offer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incoming_mails")),
        sa.UniqueConstraint("digest", name=op.f("uq_incoming_mails_digest")),
    )
    op.create_index("ix_incoming_mails_offer_id_id", _TABLE, ["offer_id", "id"])
    op.create_table(
        "mailbox_positions",
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("uid_validity", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_uid", sa.BigInteger(), nullable=False),
        sa.Column("of_no_offer", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox", "uid_validity", name=op.f("pk_mailbox_positions")),
    )
    for statement in _sqlite() if op.get_bind().dialect.name == "sqlite" else _postgresql():
        op.execute(sa.text(statement))


_ALLOWED: Final = " AND ".join(
    [f"NEW.{name} = OLD.{name}" for name in _FIXED] + [f"NEW.{name} IN (OLD.{name}, '{_ERASED}')" for name in _TEXTS]
)


def _sqlite() -> list[str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{_TABLE} keeps what came'); END"
    return [
        f"CREATE TRIGGER {_TABLE}_no_update BEFORE UPDATE ON {_TABLE} WHEN NOT ({_ALLOWED}) {refuse}",
        f"CREATE TRIGGER {_TABLE}_no_delete BEFORE DELETE ON {_TABLE} {refuse}",
        f"CREATE TRIGGER {_TABLE}_no_replace BEFORE INSERT ON {_TABLE}"
        f" WHEN EXISTS (SELECT 1 FROM {_TABLE} WHERE id = NEW.id OR digest = NEW.digest) {refuse}",
    ]


def _postgresql() -> list[str]:
    return [
        f"CREATE FUNCTION keep_{_TABLE}() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN IF {_ALLOWED} THEN RETURN NEW; END IF;"
        f" RAISE EXCEPTION '{_TABLE} keeps what came' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        f"CREATE TRIGGER {_TABLE}_no_update BEFORE UPDATE ON {_TABLE} FOR EACH ROW EXECUTE FUNCTION keep_{_TABLE}()",
        f"CREATE TRIGGER {_TABLE}_no_change BEFORE DELETE ON {_TABLE} FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"CREATE TRIGGER {_TABLE}_no_truncate BEFORE TRUNCATE ON {_TABLE}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]

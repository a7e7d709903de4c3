"""The outbox; users' e-mail addresses, and whether they want their callbacks by e-mail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0011c"
branch_labels = None
depends_on = None

_WAITING = sa.text("state = 'waiting'")


def upgrade() -> None:
    op.add_column("users", sa.Column("email", sa.Text(), nullable=False, server_default=""))
    no = "0" if op.get_bind().dialect.name == "sqlite" else "false"
    op.execute(
        f"ALTER TABLE users ADD COLUMN callbacks_by_mail BOOLEAN DEFAULT {no} NOT NULL"
        " CONSTRAINT ck_users_mail CHECK (NOT callbacks_by_mail OR length(email) > 0)"
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(24), nullable=False),
        sa.Column("callback_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("uid", sa.String(32), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("local_at", sa.DateTime(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("may_have_arrived", sa.Boolean(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.CheckConstraint("purpose IN ('put_in', 'take_out')", name=op.f("ck_outbox_purpose")),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'failed', 'cancelled')", name=op.f("ck_outbox_state")),
        sa.CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name=op.f("ck_outbox_sent")),
        sa.CheckConstraint("sequence >= 0 AND tries >= 0", name=op.f("ck_outbox_counted")),
        sa.CheckConstraint("length(address) > 0", name=op.f("ck_outbox_addressed")),
        sa.ForeignKeyConstraint(["callback_id"], ["callbacks.id"], name=op.f("fk_outbox_callback_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_outbox_user_id")),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_outbox_client_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
    )
    for name in ("callback_id", "uid", "user_id"):
        op.create_index(f"ix_outbox_{name}", "outbox", [name])
    op.create_index(
        "uq_outbox_waiting", "outbox", ["uid", "user_id"], unique=True, sqlite_where=_WAITING, postgresql_where=_WAITING
    )
    op.create_index("ix_outbox_due", "outbox", ["next_try_at"], sqlite_where=_WAITING, postgresql_where=_WAITING)

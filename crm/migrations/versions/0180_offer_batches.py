"""Offers to many clients: batches, what became of each client of one, and that each gets it once."""
# ruff: noqa: S608 - triggers are put together from names written here

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0180"
down_revision = "0131"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_BATCH_FIXED: Final = ("id", "key", "text_id", "per_hour", "had_since", "at", "author_id", "clients")
_CLIENT_FIXED: Final = ("batch_id", "client_id", "place")


def upgrade() -> None:
    _batches()
    _clients()
    for statement in _sqlite() if op.get_bind().dialect.name == "sqlite" else _postgresql():
        op.execute(sa.text(statement))


def _batches() -> None:
    op.create_table(
        "offer_batches",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("text_id", sa.Integer(), nullable=False),
        sa.Column("narrowing", _JSON, nullable=False),
        sa.Column("per_hour", sa.Integer(), nullable=False),
        sa.Column("had_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("clients", sa.Integer(), nullable=False),
        sa.Column("left_out", _JSON, nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_by", sa.Integer(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("per_hour > 0 AND per_hour <= 3600", name=op.f("ck_offer_batches_pace")),
        sa.CheckConstraint("clients > 0", name=op.f("ck_offer_batches_clients")),
        sa.CheckConstraint("stopped_by IS NULL OR stopped_at IS NOT NULL", name=op.f("ck_offer_batches_stopped")),
        sa.ForeignKeyConstraint(["text_id"], ["offer_texts.id"], name=op.f("fk_offer_batches_text_id")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_offer_batches_author_id")),
        sa.ForeignKeyConstraint(["stopped_by"], ["users.id"], name=op.f("fk_offer_batches_stopped_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer_batches")),
        sa.UniqueConstraint("key", name=op.f("uq_offer_batches_key")),
    )


def _clients() -> None:
    steps = sa.Enum("waiting", "written", "left_out", name="step", native_enum=False, create_constraint=True, length=24)
    op.create_table(
        "offer_batch_clients",
        sa.Column("batch_id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("step", steps, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("offer_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("(step = 'written') = (offer_id IS NOT NULL)", name=op.f("ck_offer_batch_clients_written")),
        sa.CheckConstraint("step <> 'left_out' OR length(reason) > 0", name=op.f("ck_offer_batch_clients_reasoned")),
        sa.ForeignKeyConstraint(["batch_id"], ["offer_batches.id"], name=op.f("fk_offer_batch_clients_batch_id")),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_offer_batch_clients_client_id")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_offer_batch_clients_offer_id")),
        sa.PrimaryKeyConstraint("batch_id", "client_id", name=op.f("pk_offer_batch_clients")),
        sa.UniqueConstraint("offer_id", name=op.f("uq_offer_batch_clients_offer_id")),
    )
    op.create_index("ix_offer_batch_clients_batch_id_step_place", "offer_batch_clients", ["batch_id", "step", "place"])
    op.create_index("ix_offer_batch_clients_client_id", "offer_batch_clients", ["client_id"])


def _batch_allowed(same: str) -> str:
    return _kept(_BATCH_FIXED, same)


def _client_allowed(same: str) -> str:
    """What was written to a client gives way to nothing else, unless it was withdrawn before it went."""
    withdrawn = "SELECT 1 FROM offers WHERE offers.id = OLD.offer_id AND offers.state = 'withdrawn'"
    gave_way = f"OLD.offer_id IS NULL OR NEW.offer_id {same} OLD.offer_id"
    return f"{_kept(_CLIENT_FIXED, same)} AND ({gave_way} OR (NEW.offer_id IS NULL AND EXISTS ({withdrawn})))"


def _kept(columns: tuple[str, ...], same: str) -> str:
    return " AND ".join(f"NEW.{name} {same} OLD.{name}" for name in columns)


_TABLES: Final = {
    "offer_batches": (_batch_allowed, "id = NEW.id"),
    "offer_batch_clients": (_client_allowed, "batch_id = NEW.batch_id AND client_id = NEW.client_id"),
}


def _sqlite() -> list[str]:
    made = []
    for table, (allowed, same_row) in _TABLES.items():
        refuse = f"BEGIN SELECT RAISE(ABORT, '{table} keeps what was to be sent'); END"
        made += [
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} WHEN NOT ({allowed('IS')}) {refuse}",
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}",
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}"
            f" WHEN EXISTS (SELECT 1 FROM {table} WHERE {same_row}) {refuse}",
        ]
    return made


def _postgresql() -> list[str]:
    made = []
    for table, (allowed, _) in _TABLES.items():
        made += [
            f"CREATE FUNCTION keep_{table}() RETURNS trigger LANGUAGE plpgsql AS $$"
            f" BEGIN IF {allowed('IS NOT DISTINCT FROM')} THEN RETURN NEW; END IF;"
            f" RAISE EXCEPTION '{table} keeps what was to be sent'"
            " USING ERRCODE = 'integrity_constraint_violation'; END $$",
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION keep_{table}()",
            f"CREATE TRIGGER {table}_no_change BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()",
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        ]
    return made

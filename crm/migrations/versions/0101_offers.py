"""Offers with the files that go with them, and who wants no letters."""
# ruff: noqa: S608 - triggers are put together from names written here

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0101"
down_revision = "0090"
branch_labels = None
depends_on = None

_ERASED: Final = "Erased · Стёрто"
_FIXED: Final = (
    "id", "key", "client_id", "person_id", "text_id", "channel", "asked_for", "queued_at", "author_id",
)  # fmt: skip
_TEXTS: Final = ("address", "subject", "body")
_WAITS: Final = sa.text("state = 'waiting'")
_IN_FORCE: Final = sa.text("lifted_at IS NULL")
_STATES: Final = ("waiting", "handing_over", "sent", "doubtful", "bounced", "given_up", "withdrawn")


def upgrade() -> None:
    _offers()
    _opt_outs()
    for statement in _sqlite() if op.get_bind().dialect.name == "sqlite" else _postgresql():
        op.execute(sa.text(statement))


def _offers() -> None:
    channel = sa.Enum("email", "fax", name="channel", native_enum=False, create_constraint=True, length=24)
    state = sa.Enum(*_STATES, name="state", native_enum=False, create_constraint=True, length=24)
    op.create_table(
        "offers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("text_id", sa.Integer(), nullable=False),
        sa.Column("channel", channel, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("asked_for", sa.Boolean(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("state", state, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("letter_id", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.CheckConstraint("state <> 'sent' OR letter_id IS NOT NULL", name=op.f("ck_offers_counts")),
        sa.CheckConstraint("length(address) > 0 AND tries >= 0", name=op.f("ck_offers_addressed")),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_offers_client_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_offers_person_id")),
        sa.ForeignKeyConstraint(["text_id"], ["offer_texts.id"], name=op.f("fk_offers_text_id")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_offers_author_id")),
        sa.ForeignKeyConstraint(["letter_id"], ["letters.id"], name=op.f("fk_offers_letter_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offers")),
        sa.UniqueConstraint("key", name=op.f("uq_offers_key")),
        sa.UniqueConstraint("letter_id", name=op.f("uq_offers_letter_id")),
    )
    op.create_index("ix_offers_due", "offers", ["next_try_at"], sqlite_where=_WAITS, postgresql_where=_WAITS)
    op.create_index("ix_offers_client_id_id", "offers", ["client_id", "id"])
    op.create_index("ix_offers_state", "offers", ["state"])
    op.create_table(
        "offer_files",
        sa.Column("offer_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("length(sha256) = 64", name=op.f("ck_offer_files_sha256")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_offer_files_offer_id")),
        sa.PrimaryKeyConstraint("offer_id", name=op.f("pk_offer_files")),
    )


def _opt_outs() -> None:
    whom = sa.Enum(
        "address", "person", "organisation", name="whom", native_enum=False, create_constraint=True, length=24
    )
    op.create_table(
        "opt_outs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("whom", whom, nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Integer(), nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(whom = 'address') = (address IS NOT NULL) AND (whom = 'person') = (person_id IS NOT NULL)"
            " AND (whom = 'organisation') = (organisation_id IS NOT NULL)",
            name=op.f("ck_opt_outs_whom_is_named"),
        ),
        sa.CheckConstraint("length(trim(evidence)) > 0", name=op.f("ck_opt_outs_evidence")),
        sa.CheckConstraint("(lifted_at IS NULL) = (length(trim(lift_reason)) = 0)", name=op.f("ck_opt_outs_lifted")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_opt_outs_person_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_opt_outs_organisation_id")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_opt_outs_author_id")),
        sa.ForeignKeyConstraint(["lifted_by"], ["users.id"], name=op.f("fk_opt_outs_lifted_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opt_outs")),
    )
    for name, column in (("address", "address"), ("person", "person_id"), ("organisation", "organisation_id")):
        op.create_index(
            f"uq_opt_outs_{name}", "opt_outs", [column], unique=True, sqlite_where=_IN_FORCE,
            postgresql_where=_IN_FORCE,
        )  # fmt: skip


def _offer_allowed(same: str) -> str:
    """Of an offer what became of it changes; its texts are blanked at most."""
    kept = " AND ".join(f"NEW.{name} {same} OLD.{name}" for name in _FIXED)
    blanked = " AND ".join(f"NEW.{name} IN (OLD.{name}, '{_ERASED}')" for name in _TEXTS)
    letter = f"(OLD.letter_id IS NULL OR NEW.letter_id {same} OLD.letter_id)"
    return f"{kept} AND {blanked} AND {letter}"


_FILE_ALLOWED: Final = (
    "NEW.offer_id = OLD.offer_id AND NEW.sha256 = OLD.sha256"
    f" AND NEW.file_name IN (OLD.file_name, '{_ERASED}') AND (NEW.content = OLD.content OR length(NEW.content) = 0)"
)


def _sqlite() -> list[str]:
    made = []
    for table, allowed, key in (("offers", _offer_allowed("IS"), "id"), ("offer_files", _FILE_ALLOWED, "offer_id")):
        refuse = f"BEGIN SELECT RAISE(ABORT, '{table} keeps what was sent'); END"
        made += [
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} WHEN NOT ({allowed}) {refuse}",
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}",
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}"
            f" WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key}) {refuse}",
        ]
    return made


def _postgresql() -> list[str]:
    made = []
    for table, allowed in (("offers", _offer_allowed("IS NOT DISTINCT FROM")), ("offer_files", _FILE_ALLOWED)):
        made += [
            f"CREATE FUNCTION keep_{table}() RETURNS trigger LANGUAGE plpgsql AS $$"
            f" BEGIN IF {allowed} THEN RETURN NEW; END IF;"
            f" RAISE EXCEPTION '{table} keeps what was sent' USING ERRCODE = 'integrity_constraint_violation'; END $$",
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION keep_{table}()",
            f"CREATE TRIGGER {table}_no_change BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()",
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        ]
    return made

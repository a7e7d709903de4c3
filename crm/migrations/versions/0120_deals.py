"""Deals of clients with their moves, and the reasons for which campaigns lose them."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

from crm.migrations.redaction import protect

revision = "0120"
down_revision = "0080"
branch_labels = None
depends_on = None

_STAGES: Final = ("interest", "offer", "negotiation", "contract", "lost")
_LARGEST: Final = 10**15
_OPEN: Final = "'interest', 'offer', 'negotiation'"


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("sells_by_deals", sa.Boolean(), nullable=False, server_default=sa.false()))
    _reasons()
    _deals()
    _moves()
    protect("deal_moves")
    for statement in _sqlite() if op.get_bind().dialect.name == "sqlite" else _postgresql():
        op.execute(sa.text(statement))


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def _refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"))


def _texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _version() -> sa.Column[Any]:
    return sa.Column("version", sa.Integer(), nullable=False, server_default=sa.text("1"))


def _reasons() -> None:
    table = "lost_reasons"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(24), nullable=False),
        *_texts("label_ru", "label_en"),
        sa.Column("active", sa.Boolean(), nullable=False),
        _version(),
        sa.CheckConstraint("key <> 'mistake' AND length(key) > 0", name=op.f(f"ck_{table}_key")),
        _refers(table, "campaign_id", "campaigns"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("campaign_id", "key", name=op.f(f"uq_{table}_campaign_id_key")),
    )


def _deals() -> None:
    table = "deals"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        *_texts("product"),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("stage", _one_of("stage", *_STAGES), nullable=False),
        sa.Column("lost_reason", sa.String(24), nullable=False),
        *(
            sa.Column(name, sa.Date(), nullable=True)
            for name in ("expected_on", "contract_on", "delivered_on", "paid_on")
        ),
        *_texts("note"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stage_since", sa.DateTime(timezone=True), nullable=False),
        _version(),
        sa.CheckConstraint(
            f"amount_minor IS NULL OR (amount_minor >= 0 AND amount_minor < {_LARGEST})",
            name=op.f(f"ck_{table}_amount"),
        ),
        sa.CheckConstraint("length(currency) = 3", name=op.f(f"ck_{table}_currency")),
        sa.CheckConstraint(
            "stage <> 'contract' OR amount_minor IS NOT NULL", name=op.f(f"ck_{table}_contract_has_sum")
        ),
        sa.CheckConstraint(
            "(stage = 'contract') = (contract_on IS NOT NULL)", name=op.f(f"ck_{table}_contract_has_day")
        ),
        sa.CheckConstraint("(stage = 'lost') = (length(lost_reason) > 0)", name=op.f(f"ck_{table}_lost_has_reason")),
        sa.ForeignKeyConstraint(
            ["client_id", "campaign_id"], ["clients.id", "clients.campaign_id"],
            name=op.f(f"fk_{table}_client_id_campaign_id"),
        ),
        _refers(table, "owner_id", "users"),
        _refers(table, "person_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )  # fmt: skip
    for columns in (["client_id"], ["owner_id", "stage"], ["campaign_id", "stage"], ["contract_on"], ["person_id"]):
        op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, columns)


def _moves() -> None:
    table = "deal_moves"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("deal_id", sa.Integer(), nullable=False),
        sa.Column("from_stage", _one_of("from_stage", *_STAGES), nullable=True),
        sa.Column("to_stage", _one_of("to_stage", *_STAGES), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cause", _one_of("cause", "call", "user", "correction"), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("attempt_id", sa.String(32), nullable=True),
        sa.Column("outcome_id", sa.Integer(), nullable=True),
        sa.Column("group_move_id", sa.Integer(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("contract_on", sa.Date(), nullable=True),
        sa.Column("reason", sa.String(24), nullable=False),
        *_texts("note"),
        sa.CheckConstraint(
            f"(from_stage IS NULL AND to_stage IN ({_OPEN})) OR (from_stage IS NOT NULL AND from_stage <> to_stage"
            " AND NOT (from_stage = 'lost' AND to_stage = 'contract'))",
            name=op.f(f"ck_{table}_moves"),
        ),
        sa.CheckConstraint("(to_stage = 'lost') = (length(reason) > 0)", name=op.f(f"ck_{table}_reason")),
        sa.CheckConstraint(
            "(to_stage = 'contract') = (contract_on IS NOT NULL)", name=op.f(f"ck_{table}_contract_has_day")
        ),
        sa.CheckConstraint(
            "to_stage <> 'contract' OR amount_minor IS NOT NULL", name=op.f(f"ck_{table}_contract_has_sum")
        ),
        sa.CheckConstraint("cause <> 'call' OR outcome_id IS NOT NULL", name=op.f(f"ck_{table}_call_names_outcome")),
        sa.CheckConstraint("(outcome_id IS NULL) = (attempt_id IS NULL)", name=op.f(f"ck_{table}_call")),
        sa.ForeignKeyConstraint(
            ["outcome_id", "attempt_id"], ["outcomes.id", "outcomes.attempt_id"],
            name=op.f(f"fk_{table}_outcome_id_attempt_id"),
        ),
        _refers(table, "deal_id", "deals"),
        _refers(table, "author_id", "users"),
        _refers(table, "group_move_id", "group_moves"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )  # fmt: skip
    for columns in (["deal_id", "id"], ["attempt_id"], ["group_move_id"]):
        op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, columns)


# Of a deal that there is not the foreign key has something to say.
_FITS: Final = (
    "(NEW.from_stage IS NULL AND NOT EXISTS (SELECT 1 FROM deal_moves AS m WHERE m.deal_id = NEW.deal_id)"
    " AND EXISTS (SELECT 1 FROM deals AS d WHERE d.id = NEW.deal_id AND d.stage = NEW.to_stage))"
    " OR (NEW.from_stage IS NOT NULL AND EXISTS (SELECT 1 FROM deal_moves AS m WHERE m.deal_id = NEW.deal_id)"
    " AND EXISTS (SELECT 1 FROM deals AS d WHERE d.id = NEW.deal_id AND d.stage = NEW.from_stage))"
)
_CARRY: Final = (
    "UPDATE deals SET stage = NEW.to_stage, stage_since = NEW.at, lost_reason = NEW.reason,"
    " contract_on = NEW.contract_on, version = version + 1 WHERE id = NEW.deal_id"
)
_IS_LAST: Final = (
    "EXISTS (SELECT 1 FROM deal_moves AS m WHERE m.deal_id = NEW.id AND m.from_stage = OLD.stage"
    " AND m.to_stage = NEW.stage AND m.reason = NEW.lost_reason"
    " AND m.id = (SELECT max(id) FROM deal_moves WHERE deal_id = NEW.id))"
)
_NOT_THERE: Final = "the deal is not in that stage"
_BY_A_MOVE: Final = "the stage of a deal follows its moves"


def _sqlite() -> list[str]:
    return [
        "CREATE TRIGGER deal_moves_from BEFORE INSERT ON deal_moves"
        f" WHEN NOT ({_FITS}) BEGIN SELECT RAISE(ABORT, '{_NOT_THERE}'); END",
        f"CREATE TRIGGER deal_moves_to AFTER INSERT ON deal_moves WHEN NEW.from_stage IS NOT NULL BEGIN {_CARRY}; END",
        "CREATE TRIGGER deals_stage BEFORE UPDATE ON deals WHEN (NEW.stage <> OLD.stage OR"
        f" NEW.lost_reason <> OLD.lost_reason) AND NOT {_IS_LAST} BEGIN SELECT RAISE(ABORT, '{_BY_A_MOVE}'); END",
        "CREATE TRIGGER deals_no_delete BEFORE DELETE ON deals BEGIN SELECT RAISE(ABORT, 'deals are kept'); END",
        "CREATE TRIGGER deals_no_replace BEFORE INSERT ON deals WHEN EXISTS (SELECT 1 FROM deals WHERE id = NEW.id)"
        " BEGIN SELECT RAISE(ABORT, 'deals are kept'); END",
    ]


def _postgresql() -> list[str]:
    refuse = "USING ERRCODE = 'integrity_constraint_violation'"
    return [
        "CREATE FUNCTION check_deal_move() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN IF NOT ({_FITS}) THEN RAISE EXCEPTION '{_NOT_THERE}' {refuse}; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER deal_moves_from BEFORE INSERT ON deal_moves FOR EACH ROW EXECUTE FUNCTION check_deal_move()",
        "CREATE FUNCTION apply_deal_move() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN IF NEW.from_stage IS NOT NULL THEN {_CARRY}; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER deal_moves_to AFTER INSERT ON deal_moves FOR EACH ROW EXECUTE FUNCTION apply_deal_move()",
        "CREATE FUNCTION check_deal_stage() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN IF (NEW.stage <> OLD.stage OR NEW.lost_reason <> OLD.lost_reason)"
        f" AND NOT {_IS_LAST} THEN RAISE EXCEPTION '{_BY_A_MOVE}' {refuse}; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER deals_stage BEFORE UPDATE ON deals FOR EACH ROW EXECUTE FUNCTION check_deal_stage()",
        "CREATE TRIGGER deals_no_delete BEFORE DELETE ON deals FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "CREATE TRIGGER deals_no_truncate BEFORE TRUNCATE ON deals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]

"""Referrals of clients to experts, their limit and how the expert is chosen, and the industries of experts."""
# ruff: noqa: S608 - triggers are put together from names written here

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0110"
down_revision = "0100"
branch_labels = None
depends_on = None

_ERASED: Final = "Erased · Стёрто"
_FIXED: Final = ("id", "client_id", "outcome_id", "attempt_id", "offered_at", "previous_id")
_OF_THE_OFFER: Final = ("expert_id", "chosen_by", "due_at")
_OF_THE_END: Final = ("state", "accepted_at", "ended_at", "settled_by")
_REFUSAL: Final = "referrals is append-only"


def upgrade() -> None:
    states = ("offered", "accepted", "given_back", "lapsed", "moved", "withdrawn")
    ways = ("name", "owner", "industry", "load", "taken", "nobody")
    op.create_table(
        "referrals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("outcome_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.String(length=32), nullable=False),
        sa.Column("expert_id", sa.Integer(), nullable=True),
        sa.Column("chosen_by", _enum("chosen_by", *ways), nullable=False),
        sa.Column("state", _enum("state", *states), nullable=False),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("previous_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(state = 'offered') = (accepted_at IS NULL AND ended_at IS NULL)", name=op.f("ck_referrals_offered")
        ),
        sa.CheckConstraint(
            "(state IN ('offered', 'accepted')) = (ended_at IS NULL)", name=op.f("ck_referrals_ended")
        ),
        sa.CheckConstraint("state <> 'accepted' OR accepted_at IS NOT NULL", name=op.f("ck_referrals_accepted")),
        sa.CheckConstraint(
            "accepted_at IS NULL OR expert_id IS NOT NULL", name=op.f("ck_referrals_accepted_by_somebody")
        ),
        sa.CheckConstraint("(expert_id IS NULL) = (chosen_by = 'nobody')", name=op.f("ck_referrals_chosen")),
        sa.CheckConstraint(
            "(state = 'given_back') = (length(trim(reason)) > 0)", name=op.f("ck_referrals_reason")
        ),
        sa.CheckConstraint("length(reason) <= 500", name=op.f("ck_referrals_reason_length")),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_referrals_client_id")),
        sa.ForeignKeyConstraint(["expert_id"], ["users.id"], name=op.f("fk_referrals_expert_id")),
        sa.ForeignKeyConstraint(
            ["outcome_id", "attempt_id"], ["outcomes.id", "outcomes.attempt_id"],
            name=op.f("fk_referrals_outcome_id_attempt_id"),
        ),
        sa.ForeignKeyConstraint(["previous_id"], ["referrals.id"], name=op.f("fk_referrals_previous_id")),
        sa.ForeignKeyConstraint(["settled_by"], ["users.id"], name=op.f("fk_referrals_settled_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_referrals")),
        sa.UniqueConstraint("previous_id", name=op.f("uq_referrals_previous_id")),
    )  # fmt: skip
    offered = sa.text("state = 'offered'")
    for name, column, unique in (
        ("uq_referrals_offered_of_client", "client_id", True),
        ("ix_referrals_due", "due_at", False),
    ):
        op.create_index(name, "referrals", [column], unique=unique, sqlite_where=offered, postgresql_where=offered)
    op.create_index("ix_referrals_expert_id_state_id", "referrals", ["expert_id", "state", "id"])
    op.create_index("ix_referrals_client_id_id", "referrals", ["client_id", "id"])
    op.create_index("ix_referrals_attempt_id", "referrals", ["attempt_id"])
    op.create_index("ix_referrals_offered_at", "referrals", ["offered_at"])
    for statement in _sqlite() if op.get_bind().dialect.name == "sqlite" else _postgresql():
        op.execute(sa.text(statement))
    _campaigns()
    op.create_table(
        "expert_industries",
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("industry", sa.Text(), nullable=False),
        sa.CheckConstraint("length(trim(industry)) > 0", name=op.f("ck_expert_industries_industry")),
        sa.ForeignKeyConstraint(
            ["campaign_id", "user_id"], ["campaign_experts.campaign_id", "campaign_experts.user_id"],
            name=op.f("fk_expert_industries_campaign_id_user_id"),
        ),
        sa.PrimaryKeyConstraint("campaign_id", "user_id", "industry", name=op.f("pk_expert_industries")),
    )  # fmt: skip


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def _campaigns() -> None:
    """Foreign keys point at the table, so SQLite's is not copied: plain ADD COLUMN with its CHECK."""
    for column in (
        "referral_limit_min INTEGER DEFAULT 60 CONSTRAINT ck_campaigns_referral_limit_min"
        " CHECK (referral_limit_min > 0)",
        "referrals_by VARCHAR(24) DEFAULT 'load' NOT NULL CONSTRAINT ck_campaigns_referrals_by"
        " CHECK (referrals_by IN ('load', 'industry'))",
    ):
        op.execute(sa.text(f"ALTER TABLE campaigns ADD COLUMN {column}"))


def _allowed(same: str) -> str:
    """What a change may be: an offer is settled, or gets an expert where nobody had it; what was accepted is given back
    or withdrawn; a reason is blanked."""
    kept = _alike(_FIXED, same)
    whose = f"(OLD.state = 'offered' AND OLD.expert_id IS NULL) OR ({_alike(_OF_THE_OFFER, same)})"
    settled = (
        "OLD.state = 'offered'"
        " OR (OLD.state = 'accepted' AND NEW.state IN ('accepted', 'given_back', 'withdrawn')"
        f" AND NEW.accepted_at {same} OLD.accepted_at)"
        f" OR ({_alike(_OF_THE_END, same)} AND NEW.reason IN (OLD.reason, '{_ERASED}'))"
    )
    return f"{kept} AND ({whose}) AND ({settled})"


def _alike(names: tuple[str, ...], same: str) -> str:
    return " AND ".join(f"NEW.{name} {same} OLD.{name}" for name in names)


def _sqlite() -> list[str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    return [
        f"CREATE TRIGGER referrals_no_update BEFORE UPDATE ON referrals WHEN NOT ({_allowed('IS')}) {refuse}",
        f"CREATE TRIGGER referrals_no_delete BEFORE DELETE ON referrals {refuse}",
        "CREATE TRIGGER referrals_no_replace BEFORE INSERT ON referrals"
        f" WHEN EXISTS (SELECT 1 FROM referrals WHERE id = NEW.id) {refuse}",
    ]


def _postgresql() -> list[str]:
    return [
        "CREATE FUNCTION only_settle_referrals() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN IF {_allowed('IS NOT DISTINCT FROM')} THEN RETURN NEW; END IF;"
        f" RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        "CREATE TRIGGER referrals_no_update BEFORE UPDATE ON referrals"
        " FOR EACH ROW EXECUTE FUNCTION only_settle_referrals()",
        "CREATE TRIGGER referrals_no_change BEFORE DELETE ON referrals FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "CREATE TRIGGER referrals_no_truncate BEFORE TRUNCATE ON referrals"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]

"""The first schema."""
# ruff: noqa: S608 - triggers are put together from names written here

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

JSON_COLUMN: Final = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
GROUPS: Final = ("hot", "warm", "abandoned", "new", "no_contact", "cold", "competitor", "nonexistent")
LETTERS: Final = "A-Za-zÀ-ÖØ-öø-ɏЀ-ҁҊ-ԯԱ-Ֆա-ևა-ჺ"
APPEND_ONLY: Final = ("group_moves", "outcomes", "audit_entries")


def upgrade() -> None:
    _campaigns()
    _organisations()
    _service_nodes()
    _sources()
    _users()
    _audit_entries()
    _call_lists()
    _people()
    _switches()
    _web_sessions()
    _clients()
    _phone_numbers()
    _callbacks()
    _plan_entries()
    _attempts()
    _contacts()
    _group_moves()
    _outcome_drafts()
    _outcomes()
    _recordings()
    op.execute(sa.text("INSERT INTO switches (id, dialling_stopped) VALUES (1, false)"))
    if op.get_bind().dialect.name == "sqlite":
        for statement in _sqlite_triggers():
            op.execute(sa.text(statement))
    else:
        # A cycle: attempts name the callback that they keep, callbacks the attempts that made and settled them.
        op.create_foreign_key(None, "callbacks", "attempts", ["made_by_attempt_id"], ["id"])
        op.create_foreign_key(None, "callbacks", "attempts", ["settled_by_attempt_id"], ["id"])
        for statement in _postgresql_triggers():
            op.execute(sa.text(statement))


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _contact_checks() -> tuple[sa.CheckConstraint, sa.CheckConstraint]:
    """A contact that is not a main one needs a full name of two words and a summary of ten letters."""
    if op.get_bind().dialect.name == "sqlite":
        name = f"full_name GLOB '*[{LETTERS}]* *[{LETTERS}]*'"
        summary = f"summary GLOB '*{f'[{LETTERS}]*' * 10}'"
    else:
        name = f"full_name ~ '[{LETTERS}].* .*[{LETTERS}]'"
        summary = f"char_length(regexp_replace(summary, '[^{LETTERS}]', '', 'g')) >= 10"
    return (
        sa.CheckConstraint(f"main OR {name}", name=op.f("ck_contacts_full_name_two_words")),
        sa.CheckConstraint(f"main OR {summary}", name=op.f("ck_contacts_summary_ten_letters")),
    )


def _campaigns() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("calls_from", sa.Time(), nullable=False),
        sa.Column("calls_until", sa.Time(), nullable=False),
        sa.Column("lists_need_approval", sa.Boolean(), nullable=False),
        sa.Column("ring_timeout_s", sa.Integer(), nullable=True),
        sa.Column("target_contacts", sa.Integer(), nullable=False),
        sa.Column("attempts_a_day", sa.Integer(), nullable=False),
        sa.Column("overdue_to_all_min", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("attempts_a_day > 0", name=op.f("ck_campaigns_attempts_a_day")),
        sa.CheckConstraint("calls_from < calls_until", name=op.f("ck_campaigns_hours")),
        sa.CheckConstraint("length(trim(name)) > 0", name=op.f("ck_campaigns_named")),
        sa.CheckConstraint("ring_timeout_s IS NULL OR ring_timeout_s > 0", name=op.f("ck_campaigns_ring_timeout")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("name", name=op.f("uq_campaigns_name")),
    )


def _organisations() -> None:
    op.create_table(
        "organisations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("industry", sa.Text(), nullable=False),
        sa.Column("headcount", sa.Integer(), nullable=True),
        sa.Column("tax_number", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("attributes", JSON_COLUMN, nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("headcount IS NULL OR headcount >= 0", name=op.f("ck_organisations_headcount")),
        sa.CheckConstraint("length(trim(name)) > 0", name=op.f("ck_organisations_named")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisations")),
    )
    op.create_index(op.f("ix_organisations_code"), "organisations", ["code"], unique=False)
    op.create_index(op.f("ix_organisations_name_folded"), "organisations", ["name_folded"], unique=False)
    op.create_index(op.f("ix_organisations_tax_number"), "organisations", ["tax_number"], unique=False)


def _service_nodes() -> None:
    op.create_table(
        "service_nodes",
        sa.Column("lock_name", sa.String(length=80), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lock_name", name=op.f("pk_service_nodes")),
    )


def _sources() -> None:
    op.create_table(
        "sources",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
        sa.UniqueConstraint("name", name=op.f("uq_sources_name")),
    )


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "role",
            _one_of("role", "operator", "expert", "manager", "consultant", "administrator", "auditor"),
            nullable=False,
        ),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("headset", sa.String(length=64), nullable=False),
        sa.Column("headset_ha1_md5", sa.String(length=32), nullable=False),
        sa.Column("headset_ha1_sha256", sa.String(length=64), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("language IN ('ru', 'en')", name=op.f("ck_users_language")),
        sa.CheckConstraint("password_hash LIKE '$argon2%'", name=op.f("ck_users_password_hash")),
        sa.CheckConstraint("length(trim(login)) > 0 AND length(trim(name)) > 0", name=op.f("ck_users_named")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("login", name=op.f("uq_users_login")),
    )
    op.create_index("uq_users_headset", "users", ["headset"], unique=True, **_where("headset <> ''"))


def _audit_entries() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", JSON_COLUMN, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_audit_entries_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_index(op.f("ix_audit_entries_at"), "audit_entries", ["at"], unique=False)
    op.create_index(op.f("ix_audit_entries_subject"), "audit_entries", ["subject"], unique=False)


def _call_lists() -> None:
    op.create_table(
        "call_lists",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", _one_of("state", "draft", "submitted", "approved", "returned"), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.CheckConstraint("(state = 'approved') = (approved_at IS NOT NULL)", name=op.f("ck_call_lists_approved_at")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_call_lists_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_lists")),
        sa.UniqueConstraint("campaign_id", "name", name=op.f("uq_call_lists_campaign_id_name")),
    )


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("decides", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("length(trim(full_name)) > 0", name=op.f("ck_people_named")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_people_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("id", "organisation_id", "decides", name="uq_people_of_organisation"),
    )
    op.create_index(op.f("ix_people_organisation_id"), "people", ["organisation_id"], unique=False)


def _switches() -> None:
    op.create_table(
        "switches",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("dialling_stopped", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_by", sa.Integer(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_switches_one_row")),
        sa.ForeignKeyConstraint(["changed_by"], ["users.id"], name=op.f("fk_switches_changed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_switches")),
    )


def _web_sessions() -> None:
    op.create_table(
        "web_sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_web_sessions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_web_sessions")),
    )
    op.create_index(op.f("ix_web_sessions_expires_at"), "web_sessions", ["expires_at"], unique=False)
    op.create_index(op.f("ix_web_sessions_user_id"), "web_sessions", ["user_id"], unique=False)


def _clients() -> None:
    op.create_table(
        "clients",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("call_list_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("client_group", _one_of("client_group", *GROUPS), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("off_list_reason", sa.Text(), nullable=False),
        sa.Column("do_not_call", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["call_list_id"], ["call_lists.id"], name=op.f("fk_clients_call_list_id")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_clients_campaign_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_clients_organisation_id")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_clients_owner_id")),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_clients_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clients")),
        sa.UniqueConstraint("campaign_id", "organisation_id", name=op.f("uq_clients_campaign_id_organisation_id")),
        sa.UniqueConstraint("id", "campaign_id", name="uq_clients_of_campaign"),
        sa.UniqueConstraint("id", "organisation_id", name="uq_clients_of_organisation"),
    )
    op.create_index(op.f("ix_clients_call_list_id"), "clients", ["call_list_id"], unique=False)
    op.create_index(
        op.f("ix_clients_campaign_id_client_group"), "clients", ["campaign_id", "client_group"], unique=False
    )
    op.create_index(op.f("ix_clients_organisation_id"), "clients", ["organisation_id"], unique=False)


def _phone_numbers() -> None:
    op.create_table(
        "phone_numbers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("e164", sa.String(length=16), nullable=False),
        sa.Column("extension", sa.String(length=16), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("state", _one_of("state", "ok", "dead", "do_not_call"), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.CheckConstraint("e164 LIKE '+%' AND length(e164) BETWEEN 4 AND 16", name=op.f("ck_phone_numbers_e164")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_phone_numbers_organisation_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_phone_numbers_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phone_numbers")),
        sa.UniqueConstraint(
            "organisation_id", "e164", "extension", name=op.f("uq_phone_numbers_organisation_id_e164_extension")
        ),
    )
    op.create_index(op.f("ix_phone_numbers_e164"), "phone_numbers", ["e164"], unique=False)


def _callbacks() -> None:
    op.create_table(
        "callbacks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("local_at", sa.DateTime(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("made_by_attempt_id", sa.String(length=32), nullable=True),
        sa.Column("state", _one_of("state", "open", "kept", "late", "broken", "moved", "withdrawn"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by_attempt_id", sa.String(length=32), nullable=True),
        sa.CheckConstraint("(state = 'open') = (settled_at IS NULL)", name=op.f("ck_callbacks_settled")),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_callbacks_client_id")),
        sa.ForeignKeyConstraint(
            ["made_by_attempt_id"], ["attempts.id"], name=op.f("fk_callbacks_made_by_attempt_id"), use_alter=True
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_callbacks_owner_id")),
        sa.ForeignKeyConstraint(
            ["settled_by_attempt_id"], ["attempts.id"], name=op.f("fk_callbacks_settled_by_attempt_id"), use_alter=True
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callbacks")),
    )
    op.create_index(op.f("ix_callbacks_client_id"), "callbacks", ["client_id"], unique=False)
    op.create_index("ix_callbacks_due", "callbacks", ["due_at"], unique=False, **_where("state = 'open'"))
    op.create_index(op.f("ix_callbacks_owner_id_due_at"), "callbacks", ["owner_id", "due_at"], unique=False)
    op.create_index("uq_callbacks_open_of_client", "callbacks", ["client_id"], unique=True, **_where("state = 'open'"))


def _plan_entries() -> None:
    op.create_table(
        "plan_entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("operator_id", sa.Integer(), nullable=True),
        sa.Column("kind", _one_of("kind", "callback", "retry", "handpicked", "group"), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("callback_id", sa.Integer(), nullable=True),
        sa.Column("state", _one_of("state", "waiting", "claimed", "done", "dropped"), nullable=False),
        sa.Column("claimed_by", sa.Integer(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind <> 'callback' OR callback_id IS NOT NULL", name=op.f("ck_plan_entries_callback_named")
        ),
        sa.CheckConstraint(
            "state <> 'claimed' OR (claimed_by IS NOT NULL AND claimed_until IS NOT NULL AND claimed_at IS NOT NULL)",
            name=op.f("ck_plan_entries_claim_is_whole"),
        ),
        sa.CheckConstraint("opens_at < closes_at", name=op.f("ck_plan_entries_window")),
        sa.ForeignKeyConstraint(["callback_id"], ["callbacks.id"], name=op.f("fk_plan_entries_callback_id")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_plan_entries_campaign_id")),
        sa.ForeignKeyConstraint(["claimed_by"], ["users.id"], name=op.f("fk_plan_entries_claimed_by")),
        sa.ForeignKeyConstraint(
            ["client_id", "campaign_id"],
            ["clients.id", "clients.campaign_id"],
            name=op.f("fk_plan_entries_client_id_campaign_id"),
        ),
        sa.ForeignKeyConstraint(["operator_id"], ["users.id"], name=op.f("fk_plan_entries_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_entries")),
        sa.UniqueConstraint("id", "client_id", name="uq_plan_entries_of_client"),
    )
    op.create_index(
        "ix_plan_entries_callback", "plan_entries", ["callback_id"], unique=False, **_where("callback_id IS NOT NULL")
    )
    op.create_index(
        op.f("ix_plan_entries_campaign_id_day_rank_due_at_id"),
        "plan_entries",
        ["campaign_id", "day", "rank", "due_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_plan_entries_claimed_by",
        "plan_entries",
        ["claimed_by", "day"],
        unique=False,
        **_where("claimed_by IS NOT NULL"),
    )
    op.create_index(op.f("ix_plan_entries_client_id_day"), "plan_entries", ["client_id", "day"], unique=False)
    op.create_index(
        "ix_plan_entries_next",
        "plan_entries",
        ["rank", "due_at", "id", "opens_at", "closes_at", "operator_id", "client_id"],
        unique=False,
        **_where("state = 'waiting'"),
    )
    op.create_index(
        "uq_plan_entries_active",
        "plan_entries",
        ["client_id", "day"],
        unique=True,
        **_where("state IN ('waiting', 'claimed')"),
    )
    op.create_index(
        "uq_plan_entries_claimed_by", "plan_entries", ["claimed_by"], unique=True, **_where("state = 'claimed'")
    )
    op.create_index(
        "uq_plan_entries_claimed_client", "plan_entries", ["client_id"], unique=True, **_where("state = 'claimed'")
    )


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("phone_number_id", sa.Integer(), nullable=True),
        sa.Column("dialled", sa.String(length=16), nullable=False),
        sa.Column("operator_id", sa.Integer(), nullable=False),
        sa.Column("plan_entry_id", sa.Integer(), nullable=True),
        sa.Column("callback_id", sa.Integer(), nullable=True),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ringing_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("wrapped_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("talk_seconds", sa.Double(), nullable=True),
        sa.Column(
            "result",
            _one_of(
                "result",
                "answered",
                "busy",
                "no_answer",
                "declined",
                "no_such_number",
                "unavailable",
                "diverted",
                "trunk_failure",
                "cancelled",
                "interrupted",
                "uncertain",
            ),
            nullable=True,
        ),
        sa.Column("sip_code", sa.Integer(), nullable=True),
        sa.Column("phrase", sa.Text(), nullable=False),
        sa.Column("proposed_disposition", sa.String(length=24), nullable=True),
        sa.Column("imported", sa.Boolean(), nullable=False),
        sa.Column(
            "talked",
            sa.Boolean(),
            sa.Computed("answered_at IS NOT NULL AND talk_seconds IS NOT NULL AND talk_seconds > 0", persisted=True),
            nullable=False,
        ),
        sa.CheckConstraint(
            "result IS NULL OR result <> 'answered' OR answered_at IS NOT NULL", name=op.f("ck_attempts_answered_at")
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (result IS NULL)", name=op.f("ck_attempts_ended_with_result")),
        sa.CheckConstraint("NOT imported OR ended_at IS NOT NULL", name=op.f("ck_attempts_imported_ended")),
        sa.CheckConstraint("length(id) = 32", name=op.f("ck_attempts_id")),
        sa.CheckConstraint(
            "talk_seconds IS NULL OR (talk_seconds >= 0 AND answered_at IS NOT NULL)",
            name=op.f("ck_attempts_talk_answered"),
        ),
        sa.ForeignKeyConstraint(["callback_id"], ["callbacks.id"], name=op.f("fk_attempts_callback_id")),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_attempts_client_id")),
        sa.ForeignKeyConstraint(["operator_id"], ["users.id"], name=op.f("fk_attempts_operator_id")),
        sa.ForeignKeyConstraint(["phone_number_id"], ["phone_numbers.id"], name=op.f("fk_attempts_phone_number_id")),
        sa.ForeignKeyConstraint(
            ["plan_entry_id", "client_id"],
            ["plan_entries.id", "plan_entries.client_id"],
            name=op.f("fk_attempts_plan_entry_id_client_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("id", "client_id", name="uq_attempts_of_client"),
        sa.UniqueConstraint("id", "talked", name="uq_attempts_talked"),
    )
    op.create_index(op.f("ix_attempts_client_id_opened_at"), "attempts", ["client_id", "opened_at"], unique=False)
    op.create_index(op.f("ix_attempts_opened_at_id"), "attempts", ["opened_at", "id"], unique=False)
    op.create_index(op.f("ix_attempts_operator_id_opened_at"), "attempts", ["operator_id", "opened_at"], unique=False)
    op.create_index(op.f("ix_attempts_plan_entry_id"), "attempts", ["plan_entry_id"], unique=False)
    op.create_index(
        "ix_attempts_to_wrap_up",
        "attempts",
        ["operator_id"],
        unique=False,
        **_where("wrapped_up_at IS NULL AND NOT imported"),
    )
    op.create_index("uq_attempts_open_client", "attempts", ["client_id"], unique=True, **_where("ended_at IS NULL"))
    op.create_index("uq_attempts_open_number", "attempts", ["dialled"], unique=True, **_where("ended_at IS NULL"))
    op.create_index("uq_attempts_open_operator", "attempts", ["operator_id"], unique=True, **_where("ended_at IS NULL"))


def _contacts() -> None:
    op.create_table(
        "contacts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.String(length=32), nullable=True),
        sa.Column("imported", sa.Boolean(), nullable=False),
        sa.Column("main", sa.Boolean(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("deciding", sa.Boolean(), sa.Computed("CASE WHEN main THEN true END", persisted=True), nullable=True),
        sa.Column(
            "talked", sa.Boolean(), sa.Computed("CASE WHEN NOT imported THEN true END", persisted=True), nullable=True
        ),
        *_contact_checks(),
        sa.CheckConstraint("NOT main OR person_id IS NOT NULL", name=op.f("ck_contacts_main_names_person")),
        sa.CheckConstraint("imported OR at IS NOT NULL", name=op.f("ck_contacts_dated")),
        sa.CheckConstraint("imported OR attempt_id IS NOT NULL", name=op.f("ck_contacts_attempt_or_imported")),
        sa.ForeignKeyConstraint(
            ["attempt_id", "client_id"],
            ["attempts.id", "attempts.client_id"],
            name=op.f("fk_contacts_attempt_id_client_id"),
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id", "talked"], ["attempts.id", "attempts.talked"], name=op.f("fk_contacts_attempt_id_talked")
        ),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_contacts_author_id")),
        sa.ForeignKeyConstraint(
            ["client_id", "organisation_id"],
            ["clients.id", "clients.organisation_id"],
            name=op.f("fk_contacts_client_id_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["person_id", "organisation_id", "deciding"],
            ["people.id", "people.organisation_id", "people.decides"],
            name=op.f("fk_contacts_person_id_organisation_id_deciding"),
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_contacts_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        sa.UniqueConstraint("attempt_id", name=op.f("uq_contacts_attempt_id")),
    )
    op.create_index(op.f("ix_contacts_client_id_at"), "contacts", ["client_id", "at"], unique=False)
    op.create_index(op.f("ix_contacts_person_id"), "contacts", ["person_id"], unique=False)


def _group_moves() -> None:
    op.create_table(
        "group_moves",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("from_group", _one_of("from_group", *GROUPS), nullable=False),
        sa.Column("to_group", _one_of("to_group", *GROUPS), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cause", _one_of("cause", "import", "call", "user", "rule"), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("attempt_id", sa.String(length=32), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("cause <> 'call' OR attempt_id IS NOT NULL", name=op.f("ck_group_moves_call_names_attempt")),
        sa.CheckConstraint("from_group <> to_group", name=op.f("ck_group_moves_moves")),
        sa.ForeignKeyConstraint(
            ["attempt_id", "client_id"],
            ["attempts.id", "attempts.client_id"],
            name=op.f("fk_group_moves_attempt_id_client_id"),
        ),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_group_moves_author_id")),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_group_moves_client_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_moves")),
    )
    op.create_index(op.f("ix_group_moves_at"), "group_moves", ["at"], unique=False)
    op.create_index(op.f("ix_group_moves_client_id_id"), "group_moves", ["client_id", "id"], unique=False)


def _outcome_drafts() -> None:
    op.create_table(
        "outcome_drafts",
        sa.Column("attempt_id", sa.String(length=32), nullable=False),
        sa.Column("fields", JSON_COLUMN, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=op.f("fk_outcome_drafts_attempt_id")),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_outcome_drafts")),
    )


def _outcomes() -> None:
    op.create_table(
        "outcomes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.String(length=32), nullable=False),
        sa.Column("disposition", sa.String(length=24), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("competitor", sa.Text(), nullable=False),
        sa.Column("callback_at_local", sa.DateTime(), nullable=True),
        sa.Column("callback_words", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("number_only", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=False),
        sa.Column("supersedes_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=op.f("fk_outcomes_attempt_id")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_outcomes_author_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_outcomes_person_id")),
        sa.ForeignKeyConstraint(
            ["supersedes_id", "attempt_id"],
            ["outcomes.id", "outcomes.attempt_id"],
            name=op.f("fk_outcomes_supersedes_id_attempt_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outcomes")),
        sa.UniqueConstraint("id", "attempt_id", name="uq_outcomes_of_attempt"),
        sa.UniqueConstraint("supersedes_id", name=op.f("uq_outcomes_supersedes_id")),
    )
    op.create_index(op.f("ix_outcomes_attempt_id"), "outcomes", ["attempt_id"], unique=False)
    op.create_index(op.f("ix_outcomes_recorded_at"), "outcomes", ["recorded_at"], unique=False)
    op.create_index("uq_outcomes_first", "outcomes", ["attempt_id"], unique=True, **_where("supersedes_id IS NULL"))


def _recordings() -> None:
    op.create_table(
        "recordings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", _one_of("state", "writing", "ready", "failed", "exempt"), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("frames", sa.Integer(), nullable=True),
        sa.Column("rms_left", sa.Double(), nullable=True),
        sa.Column("rms_right", sa.Double(), nullable=True),
        sa.Column("bytes", sa.Integer(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.CheckConstraint("state <> 'failed' OR failure <> ''", name=op.f("ck_recordings_failure_in_words")),
        sa.CheckConstraint(
            "state <> 'ready' OR (key <> '' AND length(sha256) = 64 AND duration_s IS NOT NULL AND frames IS NOT NULL"
            " AND rms_left IS NOT NULL AND rms_right IS NOT NULL AND bytes IS NOT NULL)",
            name=op.f("ck_recordings_ready_is_whole"),
        ),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=op.f("fk_recordings_attempt_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recordings")),
        sa.UniqueConstraint("attempt_id", name=op.f("uq_recordings_attempt_id")),
    )


def _sqlite_triggers() -> list[str]:
    refuse = "SELECT RAISE(ABORT, '{why}');"
    made = []
    for table in APPEND_ONLY:
        why = refuse.format(why=f"{table} is append-only")
        made += [
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN {why} END",
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN {why} END",
            # INSERT OR REPLACE deletes without asking the trigger above.
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}"
            f" WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) BEGIN {why} END",
        ]
    moved = (
        "EXISTS (SELECT 1 FROM group_moves AS m WHERE m.client_id = NEW.id AND m.from_group = OLD.client_group"
        " AND m.to_group = NEW.client_group"
        " AND m.id = (SELECT max(id) FROM group_moves WHERE client_id = NEW.id))"
    )
    return [
        *made,
        "CREATE TRIGGER group_moves_from BEFORE INSERT ON group_moves"
        " WHEN NEW.from_group IS NOT (SELECT client_group FROM clients WHERE id = NEW.client_id)"
        f" BEGIN {refuse.format(why='from_group is not the group of the client')} END",
        "CREATE TRIGGER group_moves_to AFTER INSERT ON group_moves"
        " BEGIN UPDATE clients SET client_group = NEW.to_group WHERE id = NEW.client_id; END",
        "CREATE TRIGGER clients_begin BEFORE INSERT ON clients"
        " WHEN NEW.client_group <> 'new' OR EXISTS (SELECT 1 FROM clients WHERE id = NEW.id)"
        f" BEGIN {refuse.format(why='a client begins in group new')} END",
        "CREATE TRIGGER clients_move BEFORE UPDATE OF client_group ON clients"
        f" WHEN NEW.client_group <> OLD.client_group AND NOT {moved}"
        f" BEGIN {refuse.format(why='a client changes its group by a group move')} END",
    ]


def _postgresql_triggers() -> list[str]:
    made = [
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';"
        " END $$"
    ]
    for table in APPEND_ONLY:
        made += [
            f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        ]
    return [
        *made,
        # The client's row is locked, so that of two moves at once the second sees the first.
        "CREATE FUNCTION check_group_move() RETURNS trigger LANGUAGE plpgsql AS $$"
        " DECLARE present text;"
        " BEGIN"
        " SELECT client_group INTO present FROM clients WHERE id = NEW.client_id FOR UPDATE;"
        " IF NEW.from_group IS DISTINCT FROM present THEN"
        " RAISE EXCEPTION 'from_group is not the group of the client'"
        " USING ERRCODE = 'integrity_constraint_violation';"
        " END IF;"
        " RETURN NEW; END $$",
        "CREATE TRIGGER group_moves_from BEFORE INSERT ON group_moves FOR EACH ROW EXECUTE FUNCTION check_group_move()",
        "CREATE FUNCTION apply_group_move() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN UPDATE clients SET client_group = NEW.to_group WHERE id = NEW.client_id; RETURN NULL; END $$",
        "CREATE TRIGGER group_moves_to AFTER INSERT ON group_moves FOR EACH ROW EXECUTE FUNCTION apply_group_move()",
        "CREATE FUNCTION check_client_group() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN"
        " IF TG_OP = 'INSERT' THEN"
        " IF NEW.client_group <> 'new' THEN"
        " RAISE EXCEPTION 'a client begins in group new' USING ERRCODE = 'integrity_constraint_violation';"
        " END IF;"
        " ELSIF NEW.client_group <> OLD.client_group AND NOT EXISTS"
        " (SELECT 1 FROM group_moves AS m WHERE m.client_id = NEW.id AND m.from_group = OLD.client_group"
        " AND m.to_group = NEW.client_group"
        " AND m.id = (SELECT max(id) FROM group_moves WHERE client_id = NEW.id)) THEN"
        " RAISE EXCEPTION 'a client changes its group by a group move'"
        " USING ERRCODE = 'integrity_constraint_violation';"
        " END IF;"
        " RETURN NEW; END $$",
        "CREATE TRIGGER clients_group BEFORE INSERT OR UPDATE ON clients"
        " FOR EACH ROW EXECUTE FUNCTION check_client_group()",
    ]

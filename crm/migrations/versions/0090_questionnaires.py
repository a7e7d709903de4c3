"""Questionnaires in versions, the sheets of answers, and the columns in which reports look for them."""
# ruff: noqa: S608 - triggers are put together from names written here

from __future__ import annotations

from itertools import combinations, permutations, product
from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0090"
down_revision = "0110"
branch_labels = None
depends_on = None

_WORDS: Final = ("word_1", "word_2", "word_3", "word_4")
_NUMBERS: Final = ("number_1", "number_2", "number_3")
_KEPT: Final = {
    "questionnaire_versions": ("id", "questionnaire_id", "number"),
    "sheets": ("id", "client_id", "questionnaire_id"),
    "sheet_states": (
        *("id", "sheet_id", "number", "client_id", "questionnaire_id", "version_id", "attempt_id"),
        *("complete", "author_id", "written_at"),
    ),
}
_HAS_SHEET: Final = "EXISTS (SELECT 1 FROM sheet_states WHERE version_id = OLD.id)"
_MAY: Final = {
    "questionnaire_versions": f"NOT {_HAS_SHEET}",
    "sheets": "NEW.newest = OLD.newest + 1",
    "sheet_states": "NEW.erased_at IS NOT NULL",
}
"""What of a row may change besides those, and when."""


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    _questionnaires()
    _sheets()
    _columns()
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in _KEPT:
        for statement in _sqlite(table) if sqlite else _postgresql(table):
            op.execute(sa.text(statement))
    if not sqlite:
        op.execute(sa.text(_HOLD_VERSION))
        op.execute(
            sa.text(
                "CREATE TRIGGER sheet_states_hold_version BEFORE INSERT ON sheet_states"
                " FOR EACH ROW EXECUTE FUNCTION hold_questionnaire_version()"
            )
        )


def _questionnaires() -> None:
    purpose = sa.Enum(
        "client", "abandoned", "competitor", name="purpose", native_enum=False, create_constraint=True, length=24
    )
    op.create_table(
        "questionnaires",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("purpose", purpose, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        _moment("created_at"),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("length(trim(name)) > 0 AND length(name) <= 120", name=op.f("ck_questionnaires_named")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_questionnaires_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_questionnaires")),
    )
    for name, columns, where in (
        ("uq_questionnaires_of_campaign", ["campaign_id", "purpose"], "active AND campaign_id IS NOT NULL"),
        ("uq_questionnaires_of_office", ["purpose"], "active AND campaign_id IS NULL"),
    ):
        op.create_index(
            name, "questionnaires", columns, unique=True, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
    op.create_table(
        "questionnaire_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("questionnaire_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        _moment("written_at"),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("number > 0", name=op.f("ck_questionnaire_versions_numbered")),
        sa.ForeignKeyConstraint(
            ["questionnaire_id"], ["questionnaires.id"], name=op.f("fk_questionnaire_versions_questionnaire_id")
        ),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_questionnaire_versions_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_questionnaire_versions")),
        sa.UniqueConstraint(
            "questionnaire_id", "number", name=op.f("uq_questionnaire_versions_questionnaire_id_number")
        ),
        sa.UniqueConstraint("id", "questionnaire_id", name="uq_questionnaire_versions_of_questionnaire"),
    )


def _sheets() -> None:
    op.create_table(
        "sheets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("questionnaire_id", sa.Integer(), nullable=False),
        sa.Column("newest", sa.Integer(), nullable=False),
        sa.CheckConstraint("newest > 0", name=op.f("ck_sheets_has_state")),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_sheets_client_id")),
        sa.ForeignKeyConstraint(["questionnaire_id"], ["questionnaires.id"], name=op.f("fk_sheets_questionnaire_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sheets")),
        sa.UniqueConstraint("client_id", "questionnaire_id", name=op.f("uq_sheets_client_id_questionnaire_id")),
        sa.UniqueConstraint("id", "client_id", "questionnaire_id", name="uq_sheets_whose"),
    )
    op.create_index("ix_sheets_questionnaire_id_id", "sheets", ["questionnaire_id", "id"])
    op.create_table(
        "sheet_states",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sheet_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("questionnaire_id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.String(length=32), nullable=True),
        sa.Column("answers", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        _moment("written_at"),
        _moment("erased_at", nullable=True),
        sa.ForeignKeyConstraint(
            ["sheet_id", "client_id", "questionnaire_id"],
            ["sheets.id", "sheets.client_id", "sheets.questionnaire_id"],
            name=op.f("fk_sheet_states_sheet_id_client_id_questionnaire_id"),
        ),
        sa.ForeignKeyConstraint(
            ["version_id", "questionnaire_id"],
            ["questionnaire_versions.id", "questionnaire_versions.questionnaire_id"],
            name=op.f("fk_sheet_states_version_id_questionnaire_id"),
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id", "client_id"],
            ["attempts.id", "attempts.client_id"],
            name=op.f("fk_sheet_states_attempt_id_client_id"),
        ),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_sheet_states_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sheet_states")),
        sa.UniqueConstraint("sheet_id", "number", name=op.f("uq_sheet_states_sheet_id_number")),
    )
    op.create_index("ix_sheet_states_version_id", "sheet_states", ["version_id"])
    op.create_index("ix_sheet_states_attempt_id", "sheet_states", ["attempt_id"])


def _columns() -> None:
    op.create_table(
        "report_questions",
        sa.Column("questionnaire_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=24), nullable=False),
        sa.Column("place", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(
            ["questionnaire_id"], ["questionnaires.id"], name=op.f("fk_report_questions_questionnaire_id")
        ),
        sa.PrimaryKeyConstraint("questionnaire_id", "key", name=op.f("pk_report_questions")),
        sa.UniqueConstraint("questionnaire_id", "place", name=op.f("uq_report_questions_questionnaire_id_place")),
    )
    op.create_table(
        "sheet_columns",
        sa.Column("sheet_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("questionnaire_id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.String(length=24), nullable=True) for name in _WORDS),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in _NUMBERS),
        sa.ForeignKeyConstraint(["sheet_id"], ["sheets.id"], name=op.f("fk_sheet_columns_sheet_id")),
        sa.ForeignKeyConstraint(
            ["questionnaire_id"], ["questionnaires.id"], name=op.f("fk_sheet_columns_questionnaire_id")
        ),
        sa.PrimaryKeyConstraint("sheet_id", name=op.f("pk_sheet_columns")),
    )
    wanted: list[tuple[str, ...]] = [(each,) for each in (*_WORDS, *_NUMBERS)]
    wanted += [*combinations(_WORDS, 2), *product(_WORDS, _NUMBERS), *permutations(_NUMBERS, 2)]
    for columns in wanted:
        name = f"ix_sheet_columns_{'_'.join(columns)}"
        op.create_index(name, "sheet_columns", ["questionnaire_id", *columns, "sheet_id"])
    op.create_table(
        "sheet_choices",
        sa.Column("questionnaire_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.String(length=8), nullable=False),
        sa.Column("code", sa.String(length=24), nullable=False),
        sa.Column("sheet_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["questionnaire_id"], ["questionnaires.id"], name=op.f("fk_sheet_choices_questionnaire_id")
        ),
        sa.ForeignKeyConstraint(["sheet_id"], ["sheets.id"], name=op.f("fk_sheet_choices_sheet_id")),
        sa.PrimaryKeyConstraint("questionnaire_id", "place", "code", "sheet_id", name=op.f("pk_sheet_choices")),
    )
    op.create_index("ix_sheet_choices_sheet_id", "sheet_choices", ["sheet_id"])


def _allowed(table: str, same: str) -> str:
    kept = " AND ".join(f"NEW.{name} {same} OLD.{name}" for name in _KEPT[table])
    return f"{kept} AND {_MAY[table]}"


def _refusal(table: str) -> str:
    return f"{table} keeps what was answered"


def _sqlite(table: str) -> list[str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{_refusal(table)}'); END"
    return [
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} WHEN NOT ({_allowed(table, 'IS')}) {refuse}",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}",
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}"
        f" WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) {refuse}",
    ]


def _postgresql(table: str) -> list[str]:
    return [
        f"CREATE FUNCTION keep_{table}() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN IF {_allowed(table, 'IS NOT DISTINCT FROM')} THEN RETURN NEW; END IF;"
        f" RAISE EXCEPTION '{_refusal(table)}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION keep_{table}()",
        f"CREATE TRIGGER {table}_no_change BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]


# Whoever changes the version holds its row: after them it is seen whether it is still what was answered.
_HOLD_VERSION: Final = (
    "CREATE FUNCTION hold_questionnaire_version() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN PERFORM 1 FROM questionnaire_versions WHERE id = NEW.version_id FOR SHARE; RETURN NEW; END $$"
)

"""Triggers that keep rows append-only but for one thing: a transaction that writes an erasure may blank their texts.

A migration that adds a column to one of these tables calls `protect` again: on SQLite the trigger names the columns.
"""
# ruff: noqa: S608 - triggers are put together from names written here

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

ERASED: Final = "Erased · Стёрто"
TEXTS: Final[dict[str, tuple[str, ...]]] = {
    "outcomes": ("full_name", "summary", "reason", "competitor", "callback_words", "asked_by", "note"),
    "group_moves": ("note",),
    "audit_entries": ("details",),
    "chain_links": ("salts",),
    "erasures": (),
    "erasure_completions": (),
    "tombstones": (),
    "deal_moves": ("note",),
}
# Tables with triggers against deletion from before, and the function behind them.
_OLDER: Final = {"outcomes": "refuse_change", "group_moves": "refuse_move_change", "audit_entries": "refuse_change"}
_KEYS: Final = {"tombstones": "digest", "erasure_completions": "erasure_id"}
# Which erasure may touch a row: that of its organisation, where the row says whose it is.
_BELONGS: Final = {
    "outcomes": " AND e.organisation_id = (SELECT cl.organisation_id FROM attempts AS a"
    " JOIN clients AS cl ON cl.id = a.client_id WHERE a.id = OLD.attempt_id)",
    "group_moves": " AND e.organisation_id ="
    " (SELECT cl.organisation_id FROM clients AS cl WHERE cl.id = OLD.client_id)",
    "deal_moves": " AND e.organisation_id = (SELECT cl.organisation_id FROM deals AS d"
    " JOIN clients AS cl ON cl.id = d.client_id WHERE d.id = OLD.deal_id)",
}
_JSON: Final = ("details",)
_SALTS: Final = ("salts",)  # of some texts they go, of others they stay; wrong ones do not verify


def protect(*tables: str) -> None:
    """Make the triggers of these tables anew."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in tables:
        for statement in _sqlite(table) if sqlite else _postgresql(table):
            op.execute(sa.text(statement))


def _allowed(table: str) -> str:
    return (
        "EXISTS (SELECT 1 FROM erasures AS e WHERE NOT EXISTS"
        f" (SELECT 1 FROM erasure_completions AS c WHERE c.erasure_id = e.id){_BELONGS.get(table, '')})"
    )


def _sqlite(table: str) -> list[str]:
    columns = [column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)]
    key = _KEYS.get(table, "id")
    kept = [f"NEW.{name} IS OLD.{name}" for name in columns if name not in TEXTS[table]]
    blank = [
        f"(NEW.{name} IS OLD.{name} OR NEW.{name} IN ('', '{'{}' if name in _JSON else ERASED}'))"
        for name in TEXTS[table]
        if name not in _SALTS
    ]
    refuse = f"SELECT RAISE(ABORT, '{table} is append-only');"
    unless = f" WHEN NOT ({' AND '.join([_allowed(table), *kept, *blank])})" if TEXTS[table] else ""
    made = [
        f"DROP TRIGGER IF EXISTS {table}_no_update",
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table}{unless} BEGIN {refuse} END",
    ]
    if table in _OLDER:
        return made
    return [
        *made,
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN {refuse} END",
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}"
        f" WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key}) BEGIN {refuse} END",
    ]


def _postgresql(table: str) -> list[str]:
    texts = ", ".join(f"'{name}'" for name in TEXTS[table])
    fixed = f"to_jsonb(NEW) - ARRAY[{texts}] = to_jsonb(OLD) - ARRAY[{texts}]"
    blanks = {name: "= CAST('{}' AS jsonb)" if name in _JSON else f"IN ('', '{ERASED}')" for name in TEXTS[table]}
    blank = [
        f"(NEW.{name} IS NOT DISTINCT FROM OLD.{name} OR NEW.{name} {value})"
        for name, value in blanks.items()
        if name not in _SALTS
    ]
    allowed = " AND ".join([_allowed(table), fixed, *blank]) if TEXTS[table] else "false"
    truncate = f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
    return [
        f"DROP TRIGGER IF EXISTS {table}_no_update ON {table}",
        f"DROP TRIGGER IF EXISTS {table}_no_change ON {table}",
        f"CREATE OR REPLACE FUNCTION only_erase_{table}() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN IF {allowed} THEN RETURN NEW; END IF;"
        f" RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION only_erase_{table}()",
        # What may be deleted is decided where it was: an import that is undone takes its moves back.
        f"CREATE TRIGGER {table}_no_change BEFORE DELETE ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION {_OLDER.get(table, 'refuse_change')}()",
        *([] if table in _OLDER else [f"{truncate} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"]),
    ]

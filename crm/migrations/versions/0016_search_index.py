"""The search index: a document for each organisation, its trigrams, and notes of what has grown old. Names of
organisations beside their clients, so that lists are read in the order of names."""
# ruff: noqa: S608 - statements are put together from names written here

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from crm.base.search_index import refresh_now

revision = "0016"
down_revision = "0013"
branch_labels = None
depends_on = None

SOURCES = (("organisations", "id", "name_folded, tax_number"), ("people", "organisation_id", "name_folded"),
           ("phone_numbers", "organisation_id", "e164"))  # fmt: skip


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "search_documents",
        sa.Column("organisation_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name="fk_search_documents_organisation_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("organisation_id", name="pk_search_documents"),
    )
    op.create_table("search_stale", sa.Column("organisation_id", sa.Integer(), nullable=False))
    _names_of_clients()
    for statement in _sqlite() if sqlite else _postgresql():
        op.execute(sa.text(statement))
    op.execute("INSERT INTO search_stale (organisation_id) SELECT id FROM organisations")
    refresh_now(op.get_bind())


def _names_of_clients() -> None:
    op.add_column("clients", sa.Column("name_folded", sa.Text(), nullable=False, server_default=""))
    op.execute(
        "UPDATE clients SET name_folded ="
        " (SELECT name_folded FROM organisations WHERE organisations.id = clients.organisation_id)"
    )
    op.drop_index("ix_clients_campaign_id_client_group", "clients")
    op.drop_index("ix_clients_call_list_id", "clients")
    for columns in (
        ("name_folded", "id"),
        ("campaign_id", "client_group", "name_folded", "id"),
        ("campaign_id", "name_folded", "id"),
        ("call_list_id", "name_folded", "id"),
        ("owner_id", "name_folded", "id"),
    ):
        op.create_index(f"ix_clients_{'_'.join(columns)}", "clients", list(columns))


def _sqlite() -> list[str]:
    rewrite = (
        "INSERT INTO search_trigrams (search_trigrams, rowid, document)"
        " VALUES ('delete', OLD.organisation_id, OLD.document);"
    )
    write = "INSERT INTO search_trigrams (rowid, document) VALUES (NEW.organisation_id, NEW.document);"
    made = [
        "CREATE VIRTUAL TABLE search_trigrams USING fts5(document, content='search_documents',"
        " content_rowid='organisation_id', tokenize='trigram', detail='none', columnsize=0)",
        f"CREATE TRIGGER search_documents_insert AFTER INSERT ON search_documents BEGIN {write} END",
        f"CREATE TRIGGER search_documents_update AFTER UPDATE ON search_documents BEGIN {rewrite} {write} END",
        f"CREATE TRIGGER search_documents_delete AFTER DELETE ON search_documents BEGIN {rewrite} END",
        "CREATE TRIGGER clients_name AFTER INSERT ON clients WHEN NEW.name_folded = ''"
        " BEGIN UPDATE clients SET name_folded = (SELECT name_folded FROM organisations"
        " WHERE id = NEW.organisation_id) WHERE id = NEW.id; END",
        "CREATE TRIGGER organisations_name AFTER UPDATE OF name_folded ON organisations"
        " BEGIN UPDATE clients SET name_folded = NEW.name_folded WHERE organisation_id = NEW.id; END",
    ]
    for table, key, columns in SOURCES:
        new, old = (f"INSERT INTO search_stale (organisation_id) VALUES ({row}.{key});" for row in ("NEW", "OLD"))
        moved = "" if key == "id" else old
        watched = columns if key == "id" else f"{columns}, {key}"
        made += [
            f"CREATE TRIGGER {table}_search_insert AFTER INSERT ON {table} BEGIN {new} END",
            f"CREATE TRIGGER {table}_search_update AFTER UPDATE OF {watched} ON {table} BEGIN {moved} {new} END",
        ]
        if key != "id":
            made.append(f"CREATE TRIGGER {table}_search_delete AFTER DELETE ON {table} BEGIN {old} END")
    return made


def _postgresql() -> list[str]:
    made = [
        # As `crm.base.search_index._hashes`; of built-in functions alone, which no locale and no extension changes.
        "CREATE FUNCTION search_grams(document text) RETURNS integer[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS"
        " $$ SELECT"
        " array_agg(DISTINCT (((ascii(a)::bigint * 1021 + ascii(b)) * 1021 + ascii(c)) % 2147483647)::integer)"
        " FROM (SELECT string_to_array(document, NULL) AS each) AS letters,"
        " unnest(each, each[2:], each[3:]) AS gram (a, b, c) WHERE c IS NOT NULL $$",
        "CREATE INDEX ix_search_documents_grams ON search_documents USING gin (search_grams(document))",
        "CREATE FUNCTION note_search_stale() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN"
        " IF TG_OP <> 'INSERT' AND TG_TABLE_NAME <> 'organisations' THEN"
        " INSERT INTO search_stale (organisation_id) VALUES (OLD.organisation_id); END IF;"
        " IF TG_OP <> 'DELETE' THEN"
        " IF TG_TABLE_NAME = 'organisations' THEN INSERT INTO search_stale (organisation_id) VALUES (NEW.id);"
        " ELSE INSERT INTO search_stale (organisation_id) VALUES (NEW.organisation_id); END IF; END IF;"
        " RETURN NULL; END $$",
        "CREATE FUNCTION name_client() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN"
        " SELECT name_folded INTO NEW.name_folded FROM organisations WHERE id = NEW.organisation_id;"
        " NEW.name_folded := coalesce(NEW.name_folded, '');"  # a foreign key refuses it afterwards, in its own words
        " RETURN NEW; END $$",
        "CREATE TRIGGER clients_name BEFORE INSERT ON clients"
        " FOR EACH ROW WHEN (NEW.name_folded = '') EXECUTE FUNCTION name_client()",
        "CREATE FUNCTION name_clients() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN UPDATE clients SET name_folded = NEW.name_folded WHERE organisation_id = NEW.id; RETURN NULL; END $$",
        "CREATE TRIGGER organisations_name AFTER UPDATE OF name_folded ON organisations"
        " FOR EACH ROW WHEN (NEW.name_folded <> OLD.name_folded) EXECUTE FUNCTION name_clients()",
    ]
    for table, key, columns in SOURCES:
        watched = columns if key == "id" else f"{columns}, {key}"
        events = f"INSERT OR UPDATE OF {watched}" + ("" if key == "id" else " OR DELETE")
        made.append(
            f"CREATE TRIGGER {table}_search AFTER {events} ON {table} FOR EACH ROW EXECUTE FUNCTION note_search_stale()"
        )
    return made

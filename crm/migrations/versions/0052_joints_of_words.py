"""PostgreSQL's search index knows where words meet: of a person's whole name each three characters are many people's,
and all of them had to be read."""

from __future__ import annotations

from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

_GRAM = "((ascii({})::bigint * 1021 + ascii({})) * 1021 + ascii({})) % 2147483647"
_LAST = _GRAM.format("right(w, 3)", "right(w, 2)", "right(w, 1)")
_FIRST = _GRAM.format("n", "substr(n, 2)", "substr(n, 3)")


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("DROP INDEX ix_search_documents_grams")
    op.execute("SET LOCAL maintenance_work_mem = '512MB'")  # of the 64 MB that are usual a large base makes many trips
    op.execute(
        "CREATE OR REPLACE FUNCTION search_grams(document text) RETURNS integer[]"  # noqa: S608 - constants of ours
        " LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS"
        " $$ SELECT array_agg(DISTINCT hash::integer) FROM ("
        f" SELECT {_GRAM.format(*'abc')}"
        " FROM (SELECT string_to_array(document, NULL) AS each) AS letters,"
        " unnest(each, each[2:], each[3:]) AS gram (a, b, c) WHERE c IS NOT NULL"
        f" UNION ALL SELECT ({_LAST} * 1021 + {_FIRST}) % 2147483647"
        # Of words in one line: the end of a line parts them by an empty one.
        " FROM (SELECT string_to_array(replace(document, E'\n', '||'), '|') AS words) AS line,"
        " unnest(words, words[2:]) AS pair (w, n) WHERE length(w) >= 3 AND length(n) >= 3"
        ") AS made (hash) $$"
    )
    op.execute("CREATE INDEX ix_search_documents_grams ON search_documents USING gin (search_grams(document))")

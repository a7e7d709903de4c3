"""Imports are staged, confirmed and undone; each keeps its rows. Mappings of columns have names."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0011b"
branch_labels = None
depends_on = None

JSON_COLUMN = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
# A move is deleted with its client alone, when an import is undone that has brought the client in.
_UNDONE = (
    "OLD.cause = 'import' AND EXISTS (SELECT 1 FROM import_rows AS r WHERE r.client_id = OLD.client_id"
    " AND r.ended = 'taken' AND r.undone = 'removed')"
)


def upgrade() -> None:
    _imports()
    op.create_table(
        "import_files",
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_import_files_import_id")),
        sa.PrimaryKeyConstraint("import_id", name=op.f("pk_import_files")),
    )
    _import_rows()
    op.create_table(
        "import_mappings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("mapping", JSON_COLUMN, nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("length(trim(name)) > 0", name=op.f("ck_import_mappings_named")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_import_mappings_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_mappings")),
        sa.UniqueConstraint("name_folded", name=op.f("uq_import_mappings_name_folded")),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER group_moves_no_delete")
        op.execute(
            f"CREATE TRIGGER group_moves_no_delete BEFORE DELETE ON group_moves WHEN NOT ({_UNDONE})"
            " BEGIN SELECT RAISE(ABORT, 'group_moves is append-only'); END"
        )
    else:
        op.execute("DROP TRIGGER group_moves_no_change ON group_moves")
        op.execute(
            "CREATE FUNCTION refuse_move_change() RETURNS trigger LANGUAGE plpgsql AS $$"
            f" BEGIN IF TG_OP = 'DELETE' THEN IF {_UNDONE} THEN RETURN OLD; END IF; END IF;"
            " RAISE EXCEPTION 'group_moves is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$"
        )
        op.execute(
            "CREATE TRIGGER group_moves_no_change BEFORE UPDATE OR DELETE ON group_moves"
            " FOR EACH ROW EXECUTE FUNCTION refuse_move_change()"
        )


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def _imports() -> None:
    op.create_table(
        "imports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("form", sa.String(16), nullable=False),
        sa.Column("encoding", sa.String(16), nullable=False),
        sa.Column("delimiter", sa.String(1), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("parts", JSON_COLUMN, nullable=False),
        sa.Column("header", JSON_COLUMN, nullable=False),
        sa.Column("mapping", JSON_COLUMN, nullable=False),
        sa.Column("list_name", sa.Text(), nullable=False),
        sa.Column("area_code", sa.String(5), nullable=False),
        sa.Column("state", _one_of("state", "staged", "confirmed", "undone", "discarded"), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("row_count", "taken", "merged", "refused", "not_selected")
        ),
        sa.Column("sample", JSON_COLUMN, nullable=False),
        sa.Column("trouble", JSON_COLUMN, nullable=False),
        sa.Column("made", JSON_COLUMN, nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_by", sa.Integer(), nullable=True),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("taken + merged + refused = row_count", name=op.f("ck_imports_sums_agree")),
        sa.CheckConstraint(
            "(confirmed_at IS NULL) = (state IN ('staged', 'discarded'))", name=op.f("ck_imports_confirmed")
        ),
        sa.CheckConstraint("(undone_at IS NULL) = (state <> 'undone')", name=op.f("ck_imports_undone")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_imports_campaign_id")),
        *(
            sa.ForeignKeyConstraint([name], ["users.id"], name=op.f(f"fk_imports_{name}"))
            for name in ("author_id", "confirmed_by", "undone_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index(op.f("ix_imports_campaign_id"), "imports", ["campaign_id"])


def _import_rows() -> None:
    op.create_table(
        "import_rows",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("cells", JSON_COLUMN, nullable=False),
        sa.Column("ended", _one_of("ended", "taken", "merged", "refused"), nullable=False),
        sa.Column("problems", JSON_COLUMN, nullable=False),
        sa.Column("remarked", sa.Boolean(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("client_id", sa.Integer(), nullable=True),
        sa.Column("organisation_version", sa.Integer(), nullable=True),
        sa.Column("client_version", sa.Integer(), nullable=True),
        sa.Column("change", JSON_COLUMN, nullable=False),
        sa.Column("undone", _one_of("undone", "removed", "restored", "kept"), nullable=True),
        sa.Column("kept_because", JSON_COLUMN, nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_import_rows_import_id")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_import_rows_organisation_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_import_rows_client_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_rows")),
        sa.UniqueConstraint("import_id", "line", name=op.f("uq_import_rows_import_id_line")),
    )
    op.create_index(op.f("ix_import_rows_organisation_id"), "import_rows", ["organisation_id"])
    op.create_index(op.f("ix_import_rows_client_id"), "import_rows", ["client_id"])

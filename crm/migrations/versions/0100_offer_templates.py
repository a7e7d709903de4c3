"""Templates of offers: texts in two languages, of which every version stays as it was."""
# ruff: noqa: S608 - triggers are put together from names written here

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0100"
down_revision = "0120"
branch_labels = None
depends_on = None

_APPEND_ONLY: Final = {
    "offer_texts": "id = NEW.id",
    "offer_attachments": "text_id = NEW.text_id AND material_id = NEW.material_id",
}


def upgrade() -> None:
    op.create_table(
        "offer_templates",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("length(trim(name)) > 0", name=op.f("ck_offer_templates_named")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_offer_templates_campaign_id")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_offer_templates_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer_templates")),
        sa.UniqueConstraint("campaign_id", "name_folded", name=op.f("uq_offer_templates_campaign_id_name_folded")),
    )
    language = sa.Enum("ru", "en", name="language", native_enum=False, create_constraint=True, length=24)
    op.create_table(
        "offer_texts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("template_id", sa.Integer(), nullable=False),
        sa.Column("language", language, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("number > 0", name=op.f("ck_offer_texts_number")),
        sa.CheckConstraint("length(trim(subject)) > 0 AND length(subject) <= 200", name=op.f("ck_offer_texts_subject")),
        sa.CheckConstraint("length(trim(body)) > 0 AND length(body) <= 20000", name=op.f("ck_offer_texts_body")),
        sa.ForeignKeyConstraint(["template_id"], ["offer_templates.id"], name=op.f("fk_offer_texts_template_id")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_offer_texts_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer_texts")),
        sa.UniqueConstraint(
            "template_id", "language", "number", name=op.f("uq_offer_texts_template_id_language_number")
        ),
    )
    op.create_table(
        "offer_attachments",
        sa.Column("text_id", sa.Integer(), nullable=False),
        sa.Column("material_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["text_id"], ["offer_texts.id"], name=op.f("fk_offer_attachments_text_id")),
        sa.ForeignKeyConstraint(["material_id"], ["materials.id"], name=op.f("fk_offer_attachments_material_id")),
        sa.PrimaryKeyConstraint("text_id", "material_id", name=op.f("pk_offer_attachments")),
    )
    op.create_index("ix_offer_attachments_material_id", "offer_attachments", ["material_id"])
    make = _sqlite if op.get_bind().dialect.name == "sqlite" else _postgresql
    for table, same in _APPEND_ONLY.items():
        for statement in make(table, same):
            op.execute(sa.text(statement))


def _sqlite(table: str, same: str) -> list[str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    return [
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}",
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}"
        f" WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) {refuse}",
    ]


def _postgresql(table: str, _same: str) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]

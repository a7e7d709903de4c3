"""Organisations are compared by keys, and people and numbers notice two who change them at once."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from crm.base.organisation_keys import KEY_COLUMNS, keys_of

revision = "0014"
down_revision = "0006"
branch_labels = None
depends_on = None

_BATCH = 5_000


def upgrade() -> None:
    for column in KEY_COLUMNS:
        op.add_column("organisations", sa.Column(column, sa.Text(), nullable=False, server_default=""))
    for table in ("people", "phone_numbers"):
        op.add_column(table, sa.Column("version", sa.Integer(), nullable=False, server_default=sa.text("1")))
    _fill_in()
    op.create_index(
        "ix_organisations_name_key_city", "organisations", ["name_key", "city"],
        postgresql_ops={"name_key": "text_pattern_ops"},
    )  # fmt: skip
    op.create_index("ix_organisations_name_skeleton_city", "organisations", ["name_skeleton", "city"])
    for key in ("tax_key", "domain_key", "email_key"):
        op.create_index(f"ix_organisations_{key}", "organisations", [key], **_where(f"{key} <> ''"))


def _fill_in() -> None:
    connection = op.get_bind()
    names = ("id", "name", "tax_number", "site", "email", *KEY_COLUMNS)
    table = sa.table("organisations", *(sa.column(name) for name in names))
    keyed = (
        table.update()
        .where(table.c.id == sa.bindparam("of_id"))
        .values({key: sa.bindparam(key) for key in KEY_COLUMNS})
    )
    told = sa.select(table.c.id, table.c.name, table.c.tax_number, table.c.site, table.c.email).order_by(table.c.id)
    last = 0
    while rows := connection.execute(told.where(table.c.id > last).limit(_BATCH)).all():
        last = rows[-1].id
        connection.execute(
            keyed,
            [
                {"of_id": id_, **keys_of(name=name, tax_number=tax_number, site=site, email=email)}
                for id_, name, tax_number, site, email in rows
            ],
        )


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}

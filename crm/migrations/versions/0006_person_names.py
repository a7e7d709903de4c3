"""People are found by their names in any case."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from crm.text_rules import fold

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("people", sa.Column("name_folded", sa.Text(), nullable=False, server_default=""))
    people = sa.table("people", sa.column("id", sa.Integer), sa.column("full_name"), sa.column("name_folded"))
    connection = op.get_bind()
    for person_id, full_name in connection.execute(sa.select(people.c.id, people.c.full_name)).all():
        folded = people.update().where(people.c.id == person_id).values(name_folded=fold(full_name))
        connection.execute(folded)

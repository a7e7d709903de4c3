"""At whose client a request for no letters was noted, so that it is seen there whatever address it names."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0131"
down_revision = "0130"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("opt_outs") as table:  # no other table refers to it
        table.add_column(sa.Column("noted_at_id", sa.Integer(), nullable=True))
        table.create_foreign_key(op.f("fk_opt_outs_noted_at_id"), "organisations", ["noted_at_id"], ["id"])

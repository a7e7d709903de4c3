"""Two who change a campaign at once notice it, and a list that is returned says why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("version", sa.Integer(), nullable=False, server_default=sa.text("1")))
    op.add_column("call_lists", sa.Column("remarks", sa.Text(), nullable=False, server_default=""))

"""Imports keep which row is the header, whether somebody said so, and what stands in the first rows of the file."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0022"
branch_labels = None
depends_on = None

JSON_COLUMN = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("imports", sa.Column("header_row", sa.Integer(), nullable=True))
    op.add_column("imports", sa.Column("header_said", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("imports", sa.Column("beginning", JSON_COLUMN, nullable=False, server_default=sa.text("'[]'")))

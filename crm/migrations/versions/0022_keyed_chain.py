"""What was erased from the chain is said with the office's key, and headsets' passwords are kept closed by it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erased_salts",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("row_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("column_name", sa.String(length=64), nullable=False),
        sa.Column("erasure_id", sa.Integer(), nullable=True),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasures.id"], name=op.f("fk_erased_salts_erasure_id")),
        sa.PrimaryKeyConstraint("kind", "row_id", "column_name", name=op.f("pk_erased_salts")),
    )
    op.add_column("users", sa.Column("headset_sealed", sa.Text(), nullable=False, server_default=""))

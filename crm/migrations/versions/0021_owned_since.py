"""A change of many owners remembers since when each client was its former owner's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("bulk_changes", sa.Column("owned_since", sa.DateTime(timezone=True), nullable=True))

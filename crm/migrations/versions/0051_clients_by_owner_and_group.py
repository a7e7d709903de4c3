"""The plan deals a person's clients out group by group: each group of theirs is read from an index, as far as it is
wanted."""

from __future__ import annotations

from alembic import op

revision = "0051"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_clients_owner_id_client_group_id", "clients", ["owner_id", "client_group", "id"])

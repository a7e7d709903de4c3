"""Indexes of clients in the order in which their organisations came in: a search that is narrowed reads what is sought
and what the filters leave side by side."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_clients_organisation_id", "clients")
    columns = ["organisation_id", "id", "campaign_id", "call_list_id", "client_group", "owner_id"]
    op.create_index("ix_clients_narrowed", "clients", columns)
    for narrowed in (
        ["campaign_id", "client_group"],
        ["call_list_id"],
        ["call_list_id", "client_group"],
        ["owner_id"],
    ):
        columns = [*narrowed, "organisation_id", "id"]
        op.create_index(f"ix_clients_{'_'.join(columns)}", "clients", columns)

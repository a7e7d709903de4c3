"""The sales book in each of its orders, with what it is narrowed to, so that a page is read and nothing sorted."""

from __future__ import annotations

from alembic import op

revision = "0191"
down_revision = "0190"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_deals_contract_on", "deals")  # the new one begins with it
    for day in ("opened_at", "stage_since", "expected_on", "contract_on", "delivered_on", "paid_on"):
        op.create_index(f"ix_deals_by_{day}", "deals", [day, "id", "campaign_id", "stage", "owner_id", "product"])

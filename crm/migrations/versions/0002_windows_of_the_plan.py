"""Indexes that find the next client without looking at those whose hours are over."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_plan_entries_next", "plan_entries")
    op.create_index(
        "ix_plan_entries_singled_out",
        "plan_entries",
        ["rank", "due_at", "id", "opens_at", "closes_at", "operator_id", "client_id"],
        **_where("state = 'waiting' AND kind <> 'group'"),
    )
    op.create_index(
        "ix_plan_entries_windows",
        "plan_entries",
        ["rank", "opens_at", "closes_at", "id", "operator_id", "client_id"],
        **_where("state = 'waiting' AND kind = 'group'"),
    )
    op.create_index(
        "ix_plan_entries_waiting_day",
        "plan_entries",
        ["campaign_id", "day"],
        **_where("state = 'waiting' AND kind <> 'callback'"),
    )


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}

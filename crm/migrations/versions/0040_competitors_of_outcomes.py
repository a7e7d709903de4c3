"""A competitor's record knows the outcome that made it, so that it goes when that outcome is taken back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "competitors_of_outcomes",
        sa.Column("competitor_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("outcome_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["competitor_id"], ["competitors.id"], name=op.f("fk_competitors_of_outcomes_competitor_id")
        ),
        sa.ForeignKeyConstraint(["outcome_id"], ["outcomes.id"], name=op.f("fk_competitors_of_outcomes_outcome_id")),
        sa.PrimaryKeyConstraint("competitor_id", name=op.f("pk_competitors_of_outcomes")),
        sa.UniqueConstraint("outcome_id", name=op.f("uq_competitors_of_outcomes_outcome_id")),
    )

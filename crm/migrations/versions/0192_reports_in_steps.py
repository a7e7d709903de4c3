"""What is for reports is filled in some sheets at a time: how far it is, and by what sheets can be found already."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0192"
down_revision = "0191"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("report_questions", sa.Column("ready", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.create_table(
        "report_fillings",
        sa.Column("questionnaire_id", sa.Integer(), nullable=False),
        sa.Column("written_to", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["questionnaire_id"], ["questionnaires.id"], name=op.f("fk_report_fillings_questionnaire_id")
        ),
        sa.PrimaryKeyConstraint("questionnaire_id", name=op.f("pk_report_fillings")),
    )
